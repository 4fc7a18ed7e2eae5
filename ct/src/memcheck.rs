//! Words to valgrind: to memcheck, which bytes are secret and which are public now; to callgrind, which instructions to count.
//!
//! Memcheck follows undefined bits through every instruction and reports each branch and each address that depends on one. A secret
//! that is marked undefined is therefore followed through the compiled program, registers and inlined code included. This is the only
//! file of the workspace with `unsafe` code; it does nothing outside valgrind.
#![expect(
    unsafe_code,
    reason = "valgrind's client request is one sequence of instructions"
)]

/// `RUNNING_ON_VALGRIND`.
const RUNNING: usize = 0x1001;
/// `VALGRIND_COUNT_ERRORS`.
const COUNT_ERRORS: usize = 0x1201;
/// `VALGRIND_MAKE_MEM_UNDEFINED`, a request of the tool 'M' 'C'.
const MAKE_UNDEFINED: usize = 0x4D43_0001;
/// `VALGRIND_MAKE_MEM_DEFINED`.
const MAKE_DEFINED: usize = 0x4D43_0002;

/// `CALLGRIND_DUMP_STATS`, a request of the tool 'C' 'T'.
const DUMP_COUNTS: usize = 0x4354_0000;
/// `CALLGRIND_START_INSTRUMENTATION`.
const START_COUNTING: usize = 0x4354_0004;
/// `CALLGRIND_STOP_INSTRUMENTATION`.
const STOP_COUNTING: usize = 0x4354_0005;

/// Runs `work` and has callgrind write a file of the instructions that were executed in it, and nowhere else. Callgrind is to be started
/// with `--instr-atstart=no`.
pub fn counted<T>(work: impl FnOnce() -> T) -> T {
    request(START_COUNTING, 0, 0);
    let result = work();
    request(DUMP_COUNTS, 0, 0);
    request(STOP_COUNTING, 0, 0);
    result
}

/// From here on, whatever depends on these bytes is reported when it steers a branch or an address.
pub fn secret(bytes: &[u8]) {
    request(MAKE_UNDEFINED, bytes.as_ptr() as usize, bytes.len());
}

/// These bytes have left the program, or are about to: whoever is outside sees them anyway.
pub fn public(bytes: &[u8]) {
    request(MAKE_DEFINED, bytes.as_ptr() as usize, bytes.len());
}

/// A value itself is public now, its length for instance; not what it points to.
pub fn public_value<T>(value: &T) {
    request(
        MAKE_DEFINED,
        core::ptr::from_ref(value) as usize,
        size_of::<T>(),
    );
}

/// Whether the program runs under valgrind.
pub fn is_running() -> bool {
    request(RUNNING, 0, 0) != 0
}

/// How many errors memcheck has counted so far.
pub fn errors() -> usize {
    request(COUNT_ERRORS, 0, 0)
}

/// Makes a request, which gives 0 where no valgrind is.
#[cfg(target_arch = "x86_64")]
fn request(number: usize, first: usize, second: usize) -> usize {
    let arguments = [number, first, second, 0, 0, 0];
    let mut answer = 0_usize;
    // SAFETY: to a processor, four rotations by 128 bits together and an exchange of rbx with itself do nothing. Valgrind reads the six
    // words that rax points to, and writes rdx. The bytes that a request names are borrowed by its caller; their values do not change.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") answer,
            options(nostack),
        );
    }
    answer
}

/// Other processors have other sequences; there is no valgrind here.
#[cfg(not(target_arch = "x86_64"))]
fn request(_number: usize, _first: usize, _second: usize) -> usize {
    0
}
