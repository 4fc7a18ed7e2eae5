//! What `--version` says: the number, and with what the program was built.

/// `0.1.0 (features: pcsc, pkcs11)`. Each feature is given with whether it was built in; none of them is said in words.
pub fn version(number: &str, features: &[(&str, bool)]) -> String {
    let built_in: Vec<&str> = features
        .iter()
        .filter(|(_, built_in)| *built_in)
        .map(|(name, _)| *name)
        .collect();
    match built_in.as_slice() {
        [] => format!("{number} (features: none)"),
        _ => format!("{number} (features: {})", built_in.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_built_in_is_named() {
        let features = [("pcsc", true), ("pkcs11", false)];
        assert_eq!(version("1.2.3", &features), "1.2.3 (features: pcsc)");
        assert_eq!(
            version("1.2.3", &[("pcsc", false)]),
            "1.2.3 (features: none)"
        );
    }
}
