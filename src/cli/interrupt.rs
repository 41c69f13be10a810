//! SIGINT and SIGTERM: the first asks for the report on what was read, the second stops at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::{Failure, Status};

/// A flag that becomes true at the first signal; a second signal while it is true ends the process with the status of trouble.
pub fn flag_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    register(&interrupted).map_err(|error| Failure::new(&format!("signals cannot be handled: {error}")))?;
    Ok(interrupted)
}

fn register(interrupted: &Arc<AtomicBool>) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order: the shutdown looks at the flag before the same signal sets it.
        flag::register_conditional_shutdown(signal, i32::from(Status::Trouble.code()), Arc::clone(interrupted))?;
        flag::register(signal, Arc::clone(interrupted))?;
    }
    Ok(())
}
