//! The Python program as a child process: one JSON object a line, both ways (`test-vectors/oracle/peer.py`).

use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use terminal_lib::transport::{Transport, TransportError};

/// The variable that names the Python interpreter; `cargo xtask oracle` sets it.
const PYTHON: &str = "TALLYSTICK_PYTHON";

/// A command of the second implementation's command line.
pub fn python(arguments: &[&str]) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../test-vectors");
    let mut command = Command::new(std::env::var(PYTHON).unwrap_or_else(|_| "python3".into()));
    command.current_dir(folder).args(["-B", "-m", "oracle"]);
    command.args(arguments);
    command
}

/// A child process, ended when it is dropped.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Why not unwrapped: it may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Cards and terminals in the child. Clones speak to the same child.
#[derive(Clone)]
pub struct Peer(Rc<RefCell<Conversation>>);

struct Conversation {
    _child: Ended,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts the program.
    pub fn start() -> Self {
        let mut command = python(&["peer"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .expect("Python: run this test by `cargo xtask oracle`");
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self(Rc::new(RefCell::new(Conversation {
            _child: Ended(child),
            to,
            from: BufReader::new(from),
        })))
    }

    /// A request that talks to no card.
    pub fn ask(&self, request: &Value) -> Value {
        self.0.borrow_mut().say(request)
    }

    /// A request that may talk to the card behind `line` before it is answered.
    pub fn ask_over(&self, request: &Value, line: &mut dyn Transport) -> Value {
        let mut answer = self.ask(request);
        while let Some(command) = answer.get("send") {
            let heard = match line.transmit(&bytes(command)) {
                Ok(heard) => json!({"answer": hex(&heard)}),
                Err(TransportError::CardRemoved) => json!({"lost": true}),
                Err(error) => panic!("{error}"),
            };
            answer = self.ask(&heard);
        }
        answer
    }
}

impl Conversation {
    fn say(&mut self, message: &Value) -> Value {
        writeln!(self.to, "{message}").unwrap();
        let mut answer = String::new();
        self.from.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the peer ended over {message}");
        serde_json::from_str(&answer).unwrap()
    }
}

/// Bytes as hexadecimal text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hexadecimal text as bytes.
pub fn bytes(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    text.chunks(2).map(byte).collect()
}
