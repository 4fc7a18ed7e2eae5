//! Text that somebody chose to harm whoever shows it: spreadsheets, terminals, logs, people.

/// The characters that must not reach a terminal as they are: controls (line ends apart), and those that turn or hide text.
pub fn is_dangerous(letter: char) -> bool {
    let turns_or_hides = matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    (letter.is_control() && letter != '\n') || turns_or_hides
}

/// Two hundred hostile strings, none of them empty.
pub fn strings() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    // Formulas, as spreadsheets begin them.
    for start in [
        "=",
        "+",
        "-",
        "@",
        "\t",
        "\r",
        "\n",
        "|",
        "%",
        ";",
        ",",
        "\t=",
        " =",
        "\u{feff}=",
    ] {
        for rest in ["1+1", "cmd|' /C calc'!A0", "HYPERLINK(\"http://x\",\"y\")"] {
            all.push(format!("{start}{rest}"));
        }
    }
    // Every control character of C0 and C1, and DEL, in the middle of a name.
    let controls = (0..=0x1F).chain(0x7F..=0x9F).filter_map(char::from_u32);
    all.extend(controls.map(|control| format!("card{control}0001")));
    // What terminals do when told to.
    let escapes = [
        "\u{1b}[2J",
        "\u{1b}[31m",
        "\u{1b}[1;1H",
        "\u{1b}]0;title\u{7}",
        "\u{1b}]52;c;cm0gLXJm\u{7}",
        "\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\",
        "\u{1b}P+q544e\u{1b}\\",
        "\u{1b}[6n",
        "\u{1b}c",
        "\u{1b}[?1049h",
        "\u{9b}2J",
        "\u{9d}0;x\u{9c}",
        "\u{90}q\u{9c}",
        "\u{8}\u{8}\u{8}yes",
        "ok\rfailed",
        "\u{1b}[8mhidden\u{1b}[0m",
    ];
    all.extend(escapes.iter().map(|escape| format!("desk{escape}")));
    // What turns or hides the text around it.
    let marks = "\u{ad}\u{61c}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2061}\u{2066}\u{2067}\u{2068}\u{2069}\u{206a}\u{feff}\u{e0041}\u{e007f}";
    all.extend(marks.chars().map(|mark| format!("ZZTALLY{mark}CARD00001")));
    // Quotes, and what other languages do with them.
    for text in [
        "\"",
        "'",
        "`",
        "\\",
        "\\\"",
        "\"; drop table cards; --",
        "' or '1'='1",
        "</script><script>alert(1)</script>",
        "<img src=x>",
        "&amp;",
        "{{7*7}}",
        "${jndi:ldap://x}",
        "$(id)",
        "`id`",
        "%s%n%x",
        "%00",
        "\\u0000",
        "\\x1b[2J",
        "../../etc/passwd",
        "C:\\nul",
        "a\0b",
        "\0",
        "null",
        "NaN",
        "true",
        "0x1B",
        "1e999",
        "\u{fffd}",
        "\u{0}\u{1b}",
        "{\"a\":1}",
        "[1]",
        ",,,",
        ";;;",
        "\"a\",\"b\"\n\"c\"",
    ] {
        all.push(text.into());
    }
    // Names that only look right, letters that pile up, and too much of everything.
    for text in [
        "ＺＺTALLYCARD00001",
        "ZZTАLLYCARD00001",
        "ZZTALLYCARD0000l",
        "ZZTALLYCARD00001 ",
        " ZZTALLYCARD00001",
        "ZZTALLYCARD00001\u{a0}",
        "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
        "🏴\u{200d}☠",
        "\u{1f600}",
        "\u{3164}",
        "CON",
        "-rf",
        "\u{1b}",
        "عربى",
        "עברית",
    ] {
        all.push(text.into());
    }
    all.extend([10_240, 255, 256, 1_024].map(|length| "A".repeat(length)));
    all.push("\u{1b}[2J".repeat(2_560));
    all.push("\u{202e}".repeat(3_413));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_two_hundred_different_ones_and_most_are_dangerous_as_they_are() {
        let all = strings();
        let different: BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert!(all.len() >= 200, "{}", all.len());
        assert!(
            all.iter()
                .filter(|text| text.chars().any(is_dangerous))
                .count()
                > 100
        );
        assert!(all.iter().any(|text| text.len() >= 10_240));
    }
}
