//! What the page does when it is opened, clicked on and typed into.

use std::path::Path;

use serde_json::json;

use crate::browser::Browser;
use crate::command::multivm;
use crate::story::{DIED, FAILED, HOSTILE, IGNORED, PASSED, Story};

/// Given the browser to open the page in.
type Case = fn(&Path);

pub const CASES: [(&str, Case); 11] = [
    ("the_run_is_told_in_one_screen", the_run_is_told_in_one_screen),
    ("a_click_on_a_cell_leads_to_its_scenario_and_back", a_click_on_a_cell_leads_to_its_scenario_and_back),
    ("arrow_keys_and_enter_lead_there_too", arrow_keys_and_enter_lead_there_too),
    ("the_matrix_shows_downtime_and_time", the_matrix_shows_downtime_and_time),
    ("a_scenario_shows_timeline_curves_and_clocks", a_scenario_shows_timeline_curves_and_clocks),
    ("curves_can_be_of_one_guest_and_one_step", curves_can_be_of_one_guest_and_one_step),
    ("tables_sort_and_filter", tables_sort_and_filter),
    ("downtimes_are_shown_by_mode_and_order", downtimes_are_shown_by_mode_and_order),
    ("light_and_dark", light_and_dark),
    ("nothing_is_wider_than_a_narrow_screen", nothing_is_wider_than_a_narrow_screen),
    ("texts_of_a_record_do_nothing", texts_of_a_record_do_nothing),
];

/// A report in a browser.
struct Page {
    browser: Browser,
    address: String,
    _folder: tempfile::TempDir,
}

impl Page {
    fn open(program: &Path) -> Page {
        let folder = tempfile::tempdir().unwrap();
        Story::cut_off().write(folder.path());
        let (status, out, err) = multivm(&["report", folder.path().to_str().unwrap()], None);
        assert_eq!(status, Some(0), "{err}");
        let address = format!("file://{}", out.trim_end());
        let mut browser = Browser::start(program);
        browser.open(&address);
        Page { browser, address, _folder: folder }
    }

    fn at(program: &Path, scenario: &str) -> Page {
        let mut page = Page::open(program);
        let address = format!("{}#scenario={scenario}", page.address);
        page.browser.open(&address);
        page
    }

    fn text_of(&mut self, selector: &str) -> String {
        self.browser.text(&format!("document.querySelector({}).innerText", json!(selector)))
    }

    fn count(&mut self, selector: &str) -> u64 {
        let count = self.browser.value(&format!("document.querySelectorAll({}).length", json!(selector)));
        count.as_u64().unwrap()
    }

    /// The texts of a column of a table, of the rows that are to be seen.
    fn column(&mut self, table: &str, column: usize) -> Vec<String> {
        let values = self.browser.value(&format!(
            "[...document.querySelector({}).tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[{column}].innerText)",
            json!(table)
        ));
        serde_json::from_value(values).unwrap()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.browser.complaints(), Vec::<String>::new());
        }
    }
}

fn cell(scenario: &str) -> String {
    format!("#matrix a[href='#scenario={}']", scenario.replace(':', "%3A"))
}

fn the_run_is_told_in_one_screen(program: &Path) {
    let mut page = Page::open(program);
    let text = page.text_of("#overview");
    for part in [
        "Cut off: the record of this run has no end",
        "1 failed",
        "1 error",
        "1 passed",
        "1 ignored",
        "TCG: a trial boot failed",
        "cargo test",
        "10.0.13",
        "kernel_log: guest vm2, round 1, source to target",
        "cargo test --test migration -- --exact postcopy_cross::on_source::stress_memory_half",
        "scenarios/postcopy_cross.on_source.stress_memory_half/evidence",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let failures = text.find("\nFailures\n").unwrap();
    assert!(failures < text.find("\nThe matrix\n").unwrap(), "failures first\n{text}");
}

fn a_click_on_a_cell_leads_to_its_scenario_and_back(program: &Path) {
    let mut page = Page::open(program);
    assert_eq!(page.count("#matrix a"), 4);
    assert_eq!(page.text_of(&cell(FAILED)), "\u{2717}");
    page.browser.click(&cell(FAILED));
    page.browser.until("!document.getElementById('scenario').hidden");
    assert_eq!(page.text_of("#scenario h2"), FAILED);
    assert_eq!(page.browser.value("document.getElementById('overview').hidden"), json!(true));
    page.browser.value("history.back()");
    page.browser.until("document.getElementById('scenario').hidden");
    let focused = page.browser.text("document.activeElement.getAttribute('href')");
    assert_eq!(focused, format!("#scenario={}", FAILED.replace(':', "%3A")));
}

fn arrow_keys_and_enter_lead_there_too(program: &Path) {
    let mut page = Page::open(program);
    // Only one cell is a stop for Tab; from there the arrow keys go on.
    assert_eq!(page.count("#matrix a[tabindex='0']"), 1);
    page.browser.value("document.querySelector('#matrix a[tabindex=\"0\"]').focus()");
    let href = "document.activeElement.getAttribute('href')";
    assert!(page.browser.text(href).contains(&PASSED.replace(':', "%3A")));
    page.browser.press("ArrowRight");
    assert!(page.browser.text(href).contains(&IGNORED.replace(':', "%3A")));
    page.browser.press("Enter");
    page.browser.until("!document.getElementById('scenario').hidden");
    assert_eq!(page.text_of("#scenario h2"), IGNORED);
    assert!(page.text_of("#scenario").contains("needs KVM"));
}

fn the_matrix_shows_downtime_and_time(program: &Path) {
    let mut page = Page::open(program);
    page.browser.click("#matrix-by input[value='downtime']");
    // The longest of four legs: 80 ms and 10 ms more for each step.
    assert_eq!(page.text_of(&cell(PASSED)), ".12");
    page.browser.click("#matrix-by input[value='time']");
    assert_eq!(page.text_of(&cell(PASSED)), "20");
    // Whichever is shown, the verdict can be read without seeing colours.
    let label = page.browser.text(&format!("document.querySelector({}).ariaLabel", json!(cell(FAILED))));
    assert!(label.contains("failed") && label.contains("longest downtime 120 ms (reported)"), "{label}");
}

fn a_scenario_shows_timeline_curves_and_clocks(program: &Path) {
    let mut page = Page::at(program, FAILED);
    assert_eq!(page.count("#timeline g[role='img'] .frame"), 4);
    let leg =
        page.browser.text("document.querySelector('#timeline g[role=\"img\"]').getAttribute('aria-label')");
    for part in [
        "vm1, round 1, source to target",
        "pre-copy 2.1 s",
        "switchover 90 ms",
        "post-copy",
        "downtime 90 ms",
    ] {
        assert!(leg.contains(part), "{part}: {leg}");
    }
    assert_eq!(page.count("#timeline .broken"), 1 + 1, "the proof that did not hold, and the key");
    assert_eq!(page.count("#timeline .gap"), 2 + 1);
    // Throughput, remaining memory, write speed, host CPU; none of them empty.
    let drawn = page.browser.value(
        "[...document.querySelectorAll('#scenario canvas')].map((canvas) => { const found = new Set(); const { data } = \
         canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); for (let at = 0; at < data.length; at += 4) \
         if (data[at + 3] > 250 && Math.max(data[at], data[at + 1], data[at + 2]) - Math.min(data[at], data[at + 1], \
         data[at + 2]) > 60) found.add(at); return found.size; })",
    );
    let drawn: Vec<u64> = serde_json::from_value(drawn).unwrap();
    assert_eq!(drawn.len(), 4);
    assert!(drawn.iter().all(|pixels| *pixels > 300), "coloured pixels of each curve: {drawn:?}");
    let legs = page.text_of("#scenario");
    for part in ["90 \u{b1} 10", "85 \u{b1} 1", "libvirt", "QEMU", "kernel_log", "Throughput and dirty rate"]
    {
        assert!(legs.contains(part), "{part}\n{legs}");
    }
}

fn curves_can_be_of_one_guest_and_one_step(program: &Path) {
    let mut page = Page::at(program, PASSED);
    let labels = "[...document.querySelectorAll('#scenario .u-legend')].map((one) => one.innerText).join()";
    assert!(page.browser.text(labels).contains("vm2 sent"));
    page.browser.value(
        "(() => { const select = document.getElementById('curve-guests'); select.value = 'vm1'; \
         select.dispatchEvent(new Event('change')); })()",
    );
    let labels = page.browser.text(labels);
    assert!(labels.contains("vm1 sent") && !labels.contains("vm2"), "{labels}");
    assert_eq!(page.count("#timeline g[role='img'] .frame"), 4);
    page.browser.click("#timeline g[role='img']");
    assert_eq!(page.count("#timeline g[role='img'] .frame"), 1);
    assert_eq!(
        page.browser.value("document.getElementById('part').selectedOptions[0].dataset.step"),
        json!("1")
    );
    let guest = page.browser.value("document.getElementById('curve-guests').value");
    assert_eq!(guest, json!("vm1"), "the choice of guests stays");
}

fn tables_sort_and_filter(program: &Path) {
    let mut page = Page::open(program);
    let head = "#scenarios th:nth-child(3) button";
    page.browser.click(head);
    assert_eq!(page.column("#scenarios table", 2), ["0 ms", "100 ms", "20 s", "20 s"]);
    page.browser.click(head);
    assert_eq!(page.column("#scenarios table", 2), ["20 s", "20 s", "100 ms", "0 ms"]);
    let sorted = page.browser.text("document.querySelector('#scenarios th:nth-child(3)').ariaSort");
    assert_eq!(sorted, "descending");
    page.browser.value("document.getElementById('scenarios-filter').focus()");
    page.browser.ask("Input.insertText", json!({"text": "failed cross"}));
    assert_eq!(page.column("#scenarios table", 0), [FAILED]);
    assert_eq!(page.text_of("#scenarios-count"), "1 of 4");
}

fn downtimes_are_shown_by_mode_and_order(program: &Path) {
    let mut page = Page::open(program);
    assert_eq!(page.column("#percentiles", 1)[..5], ["reported", "network", "guest", "libvirt", "QEMU"]);
    // Twice 90, 100, 110 and 120 ms.
    let row: Vec<String> = (2..7).map(|column| page.column("#percentiles", column)[0].clone()).collect();
    assert_eq!(row, ["8", "100.0", "120.0", "120.0", "120.0"]);
    assert_eq!(page.count("#downtime-curve canvas"), 1);
    page.browser.value(
        "(() => { const select = document.getElementById('downtime-group'); select.value = 'postcopy_cross'; \
         select.dispatchEvent(new Event('change')); })()",
    );
    assert!(page.column("#percentiles", 0).iter().all(|group| group == "postcopy_cross"));
    assert!(page.text_of("#downtime-curve").contains("reported (4)"));
}

fn light_and_dark(program: &Path) {
    let mut page = Page::open(program);
    let background = "getComputedStyle(document.body).backgroundColor";
    page.browser.colour_scheme("light");
    let light = page.browser.text(background);
    page.browser.colour_scheme("dark");
    let dark = page.browser.text(background);
    assert_ne!(light, dark);
    // The page is told with its next frame.
    page.browser.until("document.getElementById('theme').textContent === 'Light'");
    page.browser.click("#theme");
    assert_eq!(page.browser.text(background), light, "the button overrules the system");
    assert_eq!(page.text_of("#theme"), "Dark");
}

/// The elements that reach out of the window, and are in no box of their own that scrolls.
const TOO_WIDE: &str = "[...document.querySelectorAll('body *')].filter((one) => { const box = one.getBoundingClientRect(); \
    if (box.width === 0 || box.right <= innerWidth + 1) return false; for (let at = one.parentElement; at; at = at.parentElement) \
    if (getComputedStyle(at).overflowX !== 'visible') return false; return true; }).map((one) => `${one.tagName}.${one.className}`)\
    .join(' ')";

fn nothing_is_wider_than_a_narrow_screen(program: &Path) {
    let mut page = Page::open(program);
    page.browser.width(400);
    for scenario in [None, Some(FAILED), Some(DIED)] {
        let address = match scenario {
            Some(scenario) => format!("{}#scenario={scenario}", page.address),
            None => page.address.clone(),
        };
        page.browser.open(&address);
        let wide = page.browser.text(TOO_WIDE);
        assert_eq!(
            page.browser.value("document.documentElement.scrollWidth"),
            json!(400),
            "{scenario:?}: {wide}"
        );
    }
    // And a window that becomes narrow when the page is there.
    page.browser.width(1280);
    let address = format!("{}#scenario={FAILED}", page.address);
    page.browser.open(&address);
    page.browser.width(400);
    page.browser.until("document.documentElement.scrollWidth === 400");
}

fn texts_of_a_record_do_nothing(program: &Path) {
    let mut page = Page::open(program);
    assert!(
        page.browser.text("document.getElementById('failures').textContent").contains(HOSTILE.trim_end())
    );
    let address = format!("{}#scenario={FAILED}", page.address);
    page.browser.open(&address);
    let shown = page.browser.text("document.getElementById('scenario').textContent");
    assert!(shown.contains("<img src=x onerror="), "{shown}");
    assert_eq!(page.count("img"), 0);
    assert_eq!(page.browser.value("window.hacked === undefined"), json!(true));
    let address = format!("{}#scenario=%<img src=x>", page.address);
    page.browser.open(&address);
    assert!(page.text_of("#scenario").contains("There is no such scenario in this run"));
}
