//! Foreign text on its way to a person or a program: paths, readers' names, reasons, whatever somebody else has chosen.
//!
//! What this package takes from cards is validated where it is read (names, labels: printable ASCII); this is for the rest.

use core::fmt::Write as _;

/// `text` with everything that is not plainly visible escaped: control characters, bidirectional marks, backslashes.
pub fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|letter| {
            let (plain, rest) = match letter {
                '"' | '\'' => (Some(letter), None),
                letter => (None, Some(letter.escape_debug())),
            };
            plain.into_iter().chain(rest.into_iter().flatten())
        })
        .collect()
}

/// Any bytes as text for a terminal: lines and tabs stay, everything else that is not plainly visible is escaped, and what is not UTF-8
/// stands as `\xNN`.
pub fn displayed(content: &[u8]) -> String {
    let mut text = String::with_capacity(content.len());
    for chunk in content.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\n' | '\t' | '\\' => text.push(letter),
                letter => text.push_str(&escaped(letter.encode_utf8(&mut [0; 4]))),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}"); // writing to a String cannot fail
        }
    }
    text
}

/// The same JSON with nothing but printable ASCII and line ends in it: what a terminal could act on is written as `\uXXXX`.
pub fn ascii_json(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter == '\n' || letter == ' ' || letter.is_ascii_graphic() {
            ascii.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            let _ = write!(ascii, "\\u{unit:04x}"); // writing to a String cannot fail
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_could_move_the_cursor_or_turn_the_line_is_escaped() {
        assert_eq!(escaped("it's \"fine\" \u{e9}"), "it's \"fine\" \u{e9}");
        assert_eq!(
            escaped("a\u{1b}[2Jb\nc\u{202e}d\\e"),
            "a\\u{1b}[2Jb\\nc\\u{202e}d\\\\e"
        );
    }

    #[test]
    fn content_for_a_terminal_keeps_its_lines_and_nothing_that_a_terminal_acts_on() {
        assert_eq!(
            displayed(b"one\n\ttwo \x1b]0;title\x07\xff\xc3\xa9\r"),
            "one\n\ttwo \\u{1b}]0;title\\u{7}\\xff\u{e9}\\r"
        );
    }

    #[test]
    fn json_stays_itself_and_becomes_ascii() {
        assert_eq!(
            ascii_json("{\n  \"a\": [1, \"b\"]\n}"),
            "{\n  \"a\": [1, \"b\"]\n}"
        );
        assert_eq!(
            ascii_json("\"\u{7f}\u{9b}\u{202e}\u{1f600}\""),
            r#""\u007f\u009b\u202e\ud83d\ude00""#
        );
    }
}
