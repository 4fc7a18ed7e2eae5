//! What every program of the workspace needs and none should write again. Knows nothing of cards, terminals or authorities.
//!
//! | module | what lives there |
//! |---|---|
//! | [`text`] | escapes foreign text before it is shown |
//! | [`output`] | results that must arrive, words that never stop work |
//! | [`result_file`] | files that appear whole, and never in place of a device or a link |
//! | [`version`] | what `--version` says: number and features |
//! | [`refuse_core_dumps`] | keeps a process's memory out of core dumps and debuggers |

mod core_dump;
pub mod output;
pub mod result_file;
pub mod text;
mod version;

pub use core_dump::refuse_core_dumps;
pub use version::version;
