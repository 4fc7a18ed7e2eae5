//! Keeps the memory of a process out of core dumps and out of other processes of the same user.

use rustix::process::{Resource, Rlimit, setrlimit};

/// From here on this process leaves no core dump, and other programs of its user cannot look into its memory.
///
/// Best effort: where the system does not know such a thing, everything else works as before. It does not keep memory out of swap space,
/// nor out of the reach of the system's administrator.
pub fn refuse_core_dumps() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
