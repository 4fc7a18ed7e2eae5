//! Status words (§17).

use core::fmt;

/// SW1 SW2 of a response.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

macro_rules! status_words {
    ($($name:ident = $value:literal, $words:literal;)*) => {
        impl StatusWord {
            $(#[doc = $words] pub const $name: Self = Self($value);)*
        }

        const WORDS: &[(StatusWord, &str)] = &[$((StatusWord::$name, $words)),*];
    };
}

status_words! {
    OK = 0x9000, "done";
    FILE_TERMINATED = 0x6285, "the card's life has ended";
    CERTIFICATE_REFUSED = 0x6300, "certificate refused";
    MEMORY_FAILURE = 0x6581, "the card's storage failed; whether the change was made is not known";
    WRONG_LENGTH = 0x6700, "wrong length or structure";
    CHANNEL_UNSUPPORTED = 0x6881, "logical channels are not supported";
    SECURE_MESSAGING_UNSUPPORTED = 0x6882, "this form of secure messaging is not supported";
    LAST_SEGMENT_EXPECTED = 0x6883, "the chain was not finished";
    CHAINING_UNSUPPORTED = 0x6884, "this command cannot be chained";
    SECURITY_NOT_SATISFIED = 0x6982, "security condition not satisfied";
    BLOCKED = 0x6983, "blocked: no tries left";
    CONDITIONS_NOT_SATISFIED = 0x6985, "not now: conditions of use not satisfied";
    SECURE_MESSAGING_INCORRECT = 0x6988, "secure messaging incorrect";
    WRONG_DATA = 0x6A80, "wrong data";
    NOT_FOUND = 0x6A82, "not found";
    NO_SPACE = 0x6A84, "not enough space";
    WRONG_P1_P2 = 0x6A86, "wrong P1 or P2";
    INSTRUCTION_UNSUPPORTED = 0x6D00, "instruction not supported";
    CLASS_UNSUPPORTED = 0x6E00, "class not supported";
    UNSPECIFIED = 0x6F00, "the card failed";
}

impl StatusWord {
    /// `63Cx`: the comparison failed, `tries` (0 to 15) are left.
    pub fn tries_left(tries: u8) -> Self {
        Self(0x63C0 | u16::from(tries.min(15)))
    }

    /// `61xx`: that many bytes wait, 256 or more shown as 0.
    pub fn bytes_waiting(count: usize) -> Self {
        Self(0x6100 | u16::from(u8::try_from(count).unwrap_or(0)))
    }

    /// The tries left, if this is `63Cx`.
    pub fn as_tries(self) -> Option<u8> {
        let [high, low] = self.0.to_be_bytes();
        (high == 0x63 && low & 0xF0 == 0xC0).then_some(low & 0x0F)
    }

    /// The bytes waiting, if this is `61xx`; 256 stands for 256 or more.
    pub fn as_bytes_waiting(self) -> Option<usize> {
        match self.0.to_be_bytes() {
            [0x61, 0] => Some(256),
            [0x61, count] => Some(count.into()),
            _ => None,
        }
    }

    /// The length to ask again with, if this is `6Cxx`; 256 stands for 00.
    pub fn as_wrong_le(self) -> Option<u16> {
        match self.0.to_be_bytes() {
            [0x6C, 0] => Some(256),
            [0x6C, le] => Some(le.into()),
            _ => None,
        }
    }

    /// Whether response data may stand beside this word: 9000, 62xx, 63xx (§10.1).
    pub fn allows_data(self) -> bool {
        self == Self::OK || matches!(self.0.to_be_bytes(), [0x62 | 0x63, _])
    }

    /// The two bytes as sent.
    pub fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// What the word says, in words; without its number.
    pub fn words(self) -> &'static str {
        if self.as_tries().is_some() {
            return "wrong; tries are counted";
        }
        if self.as_bytes_waiting().is_some() {
            return "more bytes wait";
        }
        WORDS
            .iter()
            .find(|(word, _)| *word == self)
            .map_or("a status word this protocol does not use", |(_, words)| {
                words
            })
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_tries() {
            Some(tries) => write!(f, "{:04X} (wrong; {tries} tries left)", self.0),
            None => write!(f, "{:04X} ({})", self.0, self.words()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn tries_and_waiting_bytes_survive_the_word() {
        assert_eq!(StatusWord::tries_left(2).as_tries(), Some(2));
        assert_eq!(StatusWord::bytes_waiting(300).as_bytes_waiting(), Some(256));
        assert_eq!(StatusWord::bytes_waiting(7).as_bytes_waiting(), Some(7));
        assert_eq!(StatusWord::OK.as_tries(), None);
        assert_eq!(StatusWord(0x6C10).as_wrong_le(), Some(16));
    }

    #[test]
    fn a_word_prints_its_number_and_its_meaning() {
        assert_eq!(StatusWord::NOT_FOUND.to_string(), "6A82 (not found)");
        assert_eq!(
            StatusWord::tries_left(1).to_string(),
            "63C1 (wrong; 1 tries left)"
        );
        assert!(StatusWord(0x6F12).to_string().contains("does not use"));
    }

    #[test]
    fn data_may_stand_beside_success_and_warnings_only() {
        assert!(StatusWord::OK.allows_data() && StatusWord::tries_left(1).allows_data());
        assert!(!StatusWord::NOT_FOUND.allows_data() && !StatusWord::WRONG_DATA.allows_data());
    }
}
