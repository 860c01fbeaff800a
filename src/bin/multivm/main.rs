use multivm::{inventory::Settings, lab, ledger::*, wait::Cancel};
fn main() -> std::process::ExitCode {
    if let Some(code) = lab::hidden_entry() {
        return code;
    }
    let arg = std::env::args().nth(1).unwrap_or_default();
    let dir = state_directory();
    let r = (|| {
        let _lock = Lock::take(&dir)?;
        let ledger = Ledger::open(&dir)?;
        if arg == "up" {
            let s = Settings::from_environment()?;
            let c = Cancel::new();
            let t = std::time::Instant::now();
            let p = lab::prepare(&s, &ledger, &c)?;
            eprintln!("prepared {:?} {:?}", t.elapsed(), p);
            lab::network::create_switch(&ledger)?;
            lab::network::join_switch()?;
            let l = lab::Lab::raise(&p, &s, &ledger, &c)?;
            eprintln!("raised {:?} {:#?}", t.elapsed(), l.inventory());
            ledger.keep()?;
        } else {
            for f in ledger.undo_all() {
                eprintln!("{f}");
            }
        }
        Ok::<_, multivm::failure::Failure>(())
    })();
    if let Err(e) = r {
        eprintln!("{e}");
        return 1.into();
    }
    0.into()
}
