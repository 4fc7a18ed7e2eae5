//! Card and terminal together, in process and over pcscd: the world that the tests of both ends live in.
//!
//! Both ends are the real ones; nothing of the protocol is doubled here. Only what is around them is made for tests:
//!
//! | module | what lives there |
//! |---|---|
//! | [`authority`] | one root key in memory: certificates, status lists, certified terminals |
//! | [`card`] | a card's durable memory, which can be copied, cut off and looked at; what makes a card operational |
//! | [`evidence`] | how much an evidence test runs, and the line that says what it saw |
//! | [`flow`] | everything that one end can make the other store |
//! | [`life`] | one life of two ends in files, the same for every process that has the seed |
//! | [`liar`] | peers that lie as a data file says, and a terminal by hand |
//! | [`line`] | the way between both ends, which writes down what passes and does damage on demand |
//! | [`paper`] | both ends' memories on disks that remember every write |
//! | [`user`] | a user who answers as planned, and remembers what was asked |
//! | [`world`] | one card, one terminal, one line |
//!
//! Functions here stop the test when what they need does not work: nothing comes from outside.
#![expect(clippy::unwrap_used, reason = "a test bench stops where it fails")]

pub mod authority;
pub mod card;
pub mod flow;
pub mod liar;
pub mod life;
pub mod line;
pub mod paper;
pub mod user;
pub mod world;

pub use card::Disk;
pub use line::{Heard, Incident, Line};
pub use test_vectors::evidence;
pub use user::User;
pub use world::World;
