//! A comparison as it must not be: it stops at the first difference. Both measurements have to find it.

/// Whether two byte strings are equal, in time that tells where they differ.
#[inline(never)]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left == right)
}
