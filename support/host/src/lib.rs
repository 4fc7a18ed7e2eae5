//! What every program of the workspace needs and none should write again. Knows nothing of cards, terminals or authorities.
//!
//! | module | what lives there |
//! |---|---|
//! | [`text`] | escapes foreign text before it is shown |
//! | [`refuse_core_dumps`] | keeps a process's memory out of core dumps and debuggers |

mod core_dump;
pub mod text;

pub use core_dump::refuse_core_dumps;
