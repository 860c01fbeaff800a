//! The witness: our program in a guest, which fills memory and a file on disk with patterns and verifies them. The checks
//! judge what it reports.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use multivm_protocol::{OK, Pulse, Testimony, WitnessQuestion};

use crate::failure::{Failure, FailureKind, Result};
use crate::inventory::AcceleratorKind;
use crate::remote::Agent;
use crate::scenario::Bytes;
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// The witness's name among the guest's processes.
const NAME: &str = "multivm-witness";

/// The file of the witness's records, on the guest's disk.
pub const RECORDS: &str = "/var/lib/multivm/records";

/// A question that changes nothing about a resting witness, and so shows whether one exists.
const PAUSE: WitnessQuestion = WitnessQuestion::Begin { rewrite_ms: 0, pulse_us: 0 };

/// How long a witness may take to start: even a slow guest fills memory and file within moments.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Starts a witness in a guest, unless one runs. It writes nothing before [`begin`].
pub fn start(agent: &Agent, memory: Bytes, stop: &StopFlag) -> Result<()> {
    match agent.witness(PAUSE, START_LIMIT) {
        Err(failure) if failure.kind() == FailureKind::Missing => {}
        answer => return answer.map(drop),
    }
    agent.install_as(NAME, START_LIMIT)?;
    let path = Agent::link(NAME);
    // The kernel kills the witness last when memory runs out.
    let script = format!(
        "(echo -1000 > /proc/self/oom_score_adj; \
         exec setsid {path} witness {} {RECORDS} > {path}.log 2>&1 < /dev/null) &",
        memory.0 >> 20
    );
    agent.remote().check(&script, START_LIMIT)?;
    wait_for(&format!("the witness in {}", agent.remote().name()), START_LIMIT, stop, || {
        match agent.witness(PAUSE, START_LIMIT) {
            Ok(_) => Poll::Ready(()),
            Err(failure) => Poll::again(failure.cause),
        }
    })
    .map_err(|failure| {
        let said = agent.remote().check(&format!("cat {path}.log"), START_LIMIT).unwrap_or_default();
        failure.and(format!("; it said: {}", said.trim()))
    })
}

/// Ends any witness and starts another: the old one may have ended, may hang, or may come from an earlier command with
/// another build or size.
pub fn restart(agent: &Agent, memory: Bytes, stop: &StopFlag) -> Result<()> {
    let script = format!("for at in $(pidof {NAME}); do kill -KILL $at; done; :");
    agent.remote().check(&script, START_LIMIT)?;
    start(agent, memory, stop)
}

/// Makes the witness rest. Only a working witness answers.
pub fn rest(agent: &Agent, limit: Duration) -> Result<()> {
    agent.witness(PAUSE, limit).map(drop)
}

/// How often the witness looks at the clock: every millisecond under KVM. Under TCG a look costs 0.15 to 0.3 ms of a host
/// CPU, for the timer, the interrupt and the way in and out of the vCPU's thread: looks every millisecond would take 15 % of
/// a CPU and more for each guest, every ten they take 2 to 3 %.
pub fn pulse_interval(accelerator: AcceleratorKind) -> Duration {
    match accelerator {
        AcceleratorKind::Kvm => Duration::from_millis(1),
        AcceleratorKind::Tcg => Duration::from_millis(10),
    }
}

/// Makes the witness rewrite all of its memory once in `interval`, write records, and look at the clock every `pulse`. An
/// `interval` of zero pauses all three.
pub fn begin(agent: &Agent, interval: Duration, pulse: Duration, limit: Duration) -> Result<()> {
    let question = WitnessQuestion::Begin {
        rewrite_ms: interval.as_millis() as u64,
        pulse_us: pulse.as_micros() as u64,
    };
    let answer = agent.witness(question, limit)?;
    if answer.trim() == OK { Ok(()) } else { Err(unexpected(agent, &answer)) }
}

/// Asks the witness when the guest stood still and how fast it wrote memory, since a moment on its own clock.
pub fn pulse(agent: &Agent, from_us: u64, limit: Duration) -> Result<Pulse> {
    let answer = agent.witness(WitnessQuestion::Pulse { from_us }, limit)?;
    answer.parse().map_err(|_| unexpected(agent, &answer))
}

/// Makes the witness verify everything.
pub fn prove(agent: &Agent, limit: Duration) -> Result<Testimony> {
    // No other proof has this number.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let answer = agent.witness(WitnessQuestion::Prove { number: now.as_nanos() as u64 }, limit)?;
    answer.parse().map_err(|_| unexpected(agent, &answer))
}

fn unexpected(agent: &Agent, answer: &str) -> Failure {
    let head: String = answer.chars().take(1000).collect();
    Failure::new("ask the witness", format!("unexpected answer {head:?}")).at(agent.remote().name())
}
