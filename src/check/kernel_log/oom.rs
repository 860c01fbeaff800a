//! OOM reports: the lines that the kernel writes when it kills a process because memory is short (mm/oom_kill.c).
//!
//! ```text
//! NAME invoked oom-killer: gfp_mask=...            who asked for memory; then "Call Trace:", the state of memory, tasks
//! oom-kill:constraint=...,task_memcg=PATH,task=NAME,pid=N,uid=N   the chosen one, with its control group; before 5.0
//!                                                  "Kill process N (NAME) score ..."
//! MESSAGE: Killed process N (NAME) ...             the end
//! oom_reaper: reaped process N (NAME), ...         later, by a kernel thread
//! ```
//!
//! Two reports never mix, because the kernel holds `oom_lock` all the while; lines of other kinds may stand between. When
//! kills are many, a rate limit leaves out all but "Killed process", so that this line may stand alone, too.

use std::collections::BTreeMap;

use super::process::{Household, Victim};
use super::trouble::{CALL_TRACE, KERNEL, Trouble};
use crate::remote::KernelLine;

/// A line of a report, with the name of the process that it is about.
enum OomLine<'a> {
    Invoked(&'a str),
    /// The choice, with the victim's control group if the kernel gives it. Without a name if another line came between: the
    /// kernel prints this line in pieces.
    Chosen(Option<(&'a str, Option<&'a str>)>),
    /// A killed process, or one that was dying already.
    Killed(&'a str),
    NothingToKill,
    Reaped(&'a str),
    /// A process that the reaper left, whose call trace follows.
    NotReaped(&'a str),
}

fn read<'a>(text: &'a str) -> Option<OomLine<'a>> {
    if let Some((name, _)) = text.split_once(" invoked oom-killer:") {
        return Some(OomLine::Invoked(name));
    }
    if let Some(facts) = text.strip_prefix("oom-kill:") {
        let group = facts.split_once(",task_memcg=").and_then(|(_, rest)| rest.split_once(",task="));
        let task = facts.split_once(",task=").and_then(|(_, task)| task.rsplit_once(",pid="));
        return Some(OomLine::Chosen(task.map(|(name, _)| (name, group.map(|(group, _)| group)))));
    }
    if text.contains("Out of memory and no killable processes") {
        return Some(OomLine::NothingToKill);
    }
    type ToLine<'a> = fn(&'a str) -> OomLine<'a>;
    let about: [(&str, ToLine<'a>); 5] = [
        ("Killed process ", OomLine::Killed),
        ("OOM victim ", OomLine::Killed),
        ("Kill process ", |name| OomLine::Chosen(Some((name, None)))),
        ("oom_reaper: reaped process ", OomLine::Reaped),
        ("oom_reaper: unable to reap pid:", OomLine::NotReaped),
    ];
    about.into_iter().find_map(|(before, line)| {
        let (_, rest) = text.split_once(before)?;
        let (_, rest) = rest.split_once(" (")?;
        // A name may have brackets itself: (sd-pam).
        Some(line(rest.rsplit_once(')')?.0))
    })
}

/// The process that a line calls killed or chosen.
pub(super) fn victim(text: &str) -> Option<&str> {
    match read(text)? {
        OomLine::Killed(name) | OomLine::Chosen(Some((name, _))) => Some(name),
        _ => None,
    }
}

/// The part of a report that has been read.
#[derive(Debug, Default)]
struct Report {
    invoker: Option<String>,
    victim: Option<Victim>,
    /// The report's lines that are trouble unless the hosts may lose the victim.
    held: Vec<Trouble>,
}

/// Reads a host's log and tells the kills of loads and of strangers from trouble.
#[derive(Debug)]
pub(super) struct Reports {
    pub household: Household,
    /// Whether the hosts may lose the last killed process of each name.
    judged: BTreeMap<String, bool>,
    /// The open report. One with neither invoker nor victim follows a hole in the log: the next lines may be the rest of a
    /// report.
    open: Option<Report>,
    /// Sequence number of the last line that may begin the call trace of a stranger's trouble.
    strangers: Option<u64>,
}

/// How many lines the kernel writes at most between what befell a process and its call trace (kernel/hung_task.c, warn_alloc
/// in mm/page_alloc.c).
const UNTIL_TRACE: u64 = 12;

impl Reports {
    pub fn new(household: Household) -> Reports {
        Reports { household, judged: BTreeMap::new(), open: None, strangers: None }
    }

    /// Notes that lines may be missing before the next one.
    pub fn cut(&mut self, found: &mut Vec<Trouble>) {
        self.settle(found);
        self.open = Some(Report::default());
    }

    /// Notes that there are no more lines for now, so that the lines after a hole were no rest of a report.
    pub fn pause(&mut self, found: &mut Vec<Trouble>) {
        if self.open.as_ref().is_some_and(|report| report.invoker.is_none() && report.victim.is_none()) {
            self.settle(found);
        }
    }

    /// Judges the open report by what is there: by its victim, otherwise by the process that asked for memory.
    pub fn settle(&mut self, found: &mut Vec<Trouble>) {
        let Some(report) = self.open.take() else { return };
        let about = report.victim.or_else(|| report.invoker.map(|name| Victim { name, group: None }));
        let may_be_lost = about.as_ref().is_some_and(|victim| self.household.may_lose(victim));
        if !may_be_lost {
            found.extend(report.held);
        }
        self.judged.extend(about.map(|victim| (victim.name, may_be_lost)));
    }

    pub fn take(&mut self, line: &KernelLine, found: &mut Vec<Trouble>) {
        if line.facility != KERNEL {
            return;
        }
        let trouble = self.of_ours(line);
        match read(&line.text) {
            Some(OomLine::Invoked(name)) => {
                self.settle(found);
                let invoker = Some(name.to_owned());
                self.open = Some(Report { invoker, victim: None, held: Vec::from_iter(trouble) });
            }
            Some(OomLine::Chosen(name)) => {
                let report = self.open.get_or_insert_default();
                report.held.extend(trouble);
                let chosen = name
                    .map(|(name, group)| Victim { name: name.to_owned(), group: group.map(str::to_owned) });
                report.victim = chosen.or(report.victim.take());
            }
            Some(OomLine::Killed(name)) => {
                let report = self.open.get_or_insert_default();
                report.held.extend(trouble);
                // The line before this one gives the victim's control group.
                let group =
                    report.victim.take().filter(|chosen| chosen.name == name).and_then(|chosen| chosen.group);
                report.victim = Some(Victim { name: name.to_owned(), group });
                self.settle(found);
            }
            Some(OomLine::NothingToKill) => {
                found.extend(self.open.take().into_iter().flat_map(|report| report.held));
                found.extend(trouble);
            }
            Some(OomLine::Reaped(name)) if self.may_be_lost(name) => {}
            Some(OomLine::NotReaped(name)) if self.may_be_lost(name) => {
                // The report opens for the call trace that follows, and stays open until another line settles it.
                let report = self.open.get_or_insert_default();
                if report.invoker.is_none() {
                    report.victim.get_or_insert_with(|| Victim { name: name.to_owned(), group: None });
                }
            }
            _ => match (trouble, &mut self.open) {
                (Some(trouble), Some(report)) if trouble.class == CALL_TRACE => report.held.push(trouble),
                (trouble, _) => found.extend(trouble),
            },
        }
    }

    /// The trouble of a line, unless a process or a device of somebody else's is in it. The call trace after that line is
    /// the stranger's, too.
    fn of_ours(&mut self, line: &KernelLine) -> Option<Trouble> {
        let trouble = Trouble::of(line)?;
        if trouble.is_strangers(&self.household) {
            // No call trace follows what befalls a device.
            let until = trouble.device().is_none().then_some(line.sequence + UNTIL_TRACE);
            self.strangers = until.or(self.strangers);
            return None;
        }
        let until = self.strangers.take();
        let is_theirs = trouble.class == CALL_TRACE && until.is_some_and(|until| line.sequence <= until);
        (!is_theirs).then_some(trouble)
    }

    /// Whether a line tells of the end of a process that the hosts may lose.
    pub fn is_about_what_may_be_lost(&self, line: &KernelLine) -> bool {
        line.facility == KERNEL && victim(&line.text).is_some_and(|name| self.may_be_lost(name))
    }

    fn may_be_lost(&self, name: &str) -> bool {
        let unseen = || self.household.may_lose(&Victim { name: name.to_owned(), group: None });
        self.judged.get(name).copied().unwrap_or_else(unseen)
    }
}
