//! Our program for hosts and guests, as the build script made it for each architecture.

use crate::failure::{Failure, Result};
use crate::inventory::Arch;

/// The program for machines like this one.
pub const NATIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/multivm-agent"));

/// An architecture's name, and the program for it, or what the build lacked.
type Built = (&'static str, std::result::Result<&'static [u8], &'static str>);

const BUILT: &[Built] = &include!(concat!(env!("OUT_DIR"), "/programs.rs"));

/// The program for machines of an architecture.
pub fn of(arch: Arch) -> Result<&'static [u8]> {
    let attempted = || format!("find our program for guests of {arch} in this build of multivm");
    let (_, built) = BUILT
        .iter()
        .find(|(name, _)| *name == arch.row().name)
        .ok_or_else(|| Failure::new(attempted(), "the build script does not know that architecture"))?;
    built.map_err(|lacks| Failure::new(attempted(), "it was built without").try_next(lacks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_architecture_has_its_program_or_advice() {
        assert_eq!(BUILT.len(), Arch::ALL.len());
        for arch in Arch::ALL {
            match of(*arch) {
                Ok(program) => assert!(program.starts_with(b"\x7fELF"), "{arch}"),
                Err(failure) => {
                    assert!(
                        !arch.is_native() && failure.to_string().contains("rustup target add"),
                        "{failure}"
                    );
                }
            }
        }
    }
}
