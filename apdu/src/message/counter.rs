//! The counter's commands (§14.3). Values are u32.

/// Value and limit, the answer to READ: 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// What was counted so far.
    pub value: u32,
    /// What it may not exceed.
    pub limit: u32,
}

impl Counter {
    /// `value u32 || limit u32`.
    pub fn encode(&self) -> [u8; 8] {
        let ([a, b, c, d], [e, f, g, h]) = (self.value.to_be_bytes(), self.limit.to_be_bytes());
        [a, b, c, d, e, f, g, h]
    }

    /// Reads the 8 bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, d, e, f, g, h] = bytes else {
            return None;
        };
        Some(Self {
            value: u32::from_be_bytes([a, b, c, d]),
            limit: u32::from_be_bytes([e, f, g, h]),
        })
    }
}
