//! The authority's network service: HTTPS with mutual TLS, for stations and operators (`docs/authority.md`).
//!
//! | module | job |
//! |---|---|
//! | [`desk`] | what the service asks of the authority behind it |
//! | [`ledger_desk`], [`approval`] | that desk over an authority's store, and what waits at it for an operator |
//! | [`clients`], [`identity`] | who may connect; the TLS certificates on both sides |
//! | `route`, [`routes`], `handle` | the table of routes, and what each does |
//! | [`message`], [`problem`], [`openapi`] | what goes over the wire, and its description |
//! | `answer`, `replay`, [`limit`], `metrics`, [`log`] | from a request to its answer, figures and lines |
//! | [`pool`] | connections to the store for those who only read |
//! | [`listen`] | sockets, TLS, stopping |
//! | [`config`] | settings from file, environment and flags |
//!
//! A request passes through `answer` alone: client, rate, role, size, time, then one blocking call of the desk, then one line of log.
//! Bodies, codes and keys are never logged.

mod answer;
pub mod approval;
pub mod clients;
pub mod config;
pub mod desk;
mod handle;
pub mod identity;
pub mod ledger_desk;
pub mod limit;
pub mod listen;
pub mod log;
pub mod message;
mod message_clients;
mod metrics;
pub mod openapi;
pub mod pool;
pub mod problem;
mod replay;
pub mod route;
pub mod routes;
pub mod second;
mod service;

pub use service::{Clock, Service};
