//! What is read when the store is opened.

use std::collections::HashMap;
use std::path::Path;

use super::engine::Engine;
use super::key::{self, Table};
use super::lanes::Lanes;
use super::row::{LaneRow, MetaRow, VERSION, decode};
use super::{StoreError, guard};

/// The row of every commit, checked against the watermark.
pub(super) fn meta(engine: &Engine, dir: &Path) -> Result<MetaRow, StoreError> {
    let meta: MetaRow = match engine.get(Table::Meta, key::META_STATE)? {
        Some(value) if value.first().is_some_and(|v| *v > VERSION) => {
            return Err(StoreError::damaged(dir, "it was written by a newer feedwire"));
        }
        Some(value) if value.first().is_some_and(|v| *v < VERSION) => {
            return Err(StoreError::damaged(dir, "it was written by a feedwire from before the first release"));
        }
        Some(value) => decode(&value).map_err(|_| engine.damaged_row(Table::Meta))?,
        None => MetaRow::default(),
    };
    let watermark = guard::read_watermark(dir)?;
    if meta.group < watermark.group {
        let detail = format!("{} commits were on the disk, {} are left", watermark.group, meta.group);
        return Err(StoreError::damaged(dir, detail));
    }
    Ok(meta)
}

/// The lanes that are not empty.
pub(super) fn lanes(engine: &Engine) -> Result<Lanes, StoreError> {
    let mut lanes = Lanes::default();
    for (key, value) in engine.scan(Table::Outbox, key::lanes(), &[], usize::MAX)? {
        let state: LaneRow = decode(&value).map_err(|_| engine.damaged_row(Table::Outbox))?;
        if let (Some(lane), true) = (key::lane_of(&key), state.entered > state.settled) {
            lanes.enter(lane, state.entered - state.settled, state.trials.next_at);
        }
    }
    Ok(lanes)
}

/// How many dead letters each sink has.
pub(super) fn dead(engine: &Engine) -> Result<HashMap<u32, i64>, StoreError> {
    let mut dead = HashMap::new();
    for (key, _) in engine.scan(Table::Outbox, key::dead_letters(), &[], usize::MAX)? {
        *dead.entry(key::dead_sink(&key)).or_default() += 1;
    }
    Ok(dead)
}
