//! The pure core: what an entry is, which entry is new, when to poll, what becomes of an attempt.
//!
//! Nothing here reads a clock, a socket, a file or a random number: time comes in as `now`, everything else as an argument, so every
//! decision the daemon takes can be put in a table and tested. Modules import only from the paragraphs above their own.

pub mod time;

pub mod entry;

mod markup;
mod words;

pub mod text;

pub mod canonical;

pub mod identity;

pub mod hints;
pub mod rate;

pub mod failure;

pub mod conditional;
pub mod moving;
pub mod outage;
pub mod paging;
pub mod throttle;

pub mod feed;

pub mod memory;

mod recognise;

pub mod sift;

pub mod budget;

pub mod schedule;

pub mod event;

pub mod delivery;

pub mod filter;

pub mod retry;

pub mod story;

mod flood;

mod health;

mod merge;

pub mod plan;

pub mod agenda;

pub mod history;

#[cfg(test)]
mod rehearsal;

#[cfg(test)]
mod delivery_scenarios;

#[cfg(test)]
mod scenarios;
