//! The counter (§14.3): reads, adds, keeps a limit. The whole service is this file.

use super::{Service, ServiceCommand, ServiceRecords, ServiceRefusal};
use alloc::vec::Vec;
use apdu::identifier::{Aid, header};
use apdu::message::counter::Counter;

/// The only record: value and limit.
const RECORD: u8 = 0;
/// What a new card has.
const NEW: Counter = Counter {
    value: 0,
    limit: 1_000_000,
};

pub(super) struct Counting;

impl Service for Counting {
    fn identifier(&self) -> Aid {
        Aid::COUNTER
    }

    fn quota(&self) -> usize {
        8
    }

    fn handle(
        &self,
        command: ServiceCommand<'_>,
        records: &mut ServiceRecords<'_>,
        pin_verified: bool,
    ) -> Result<Vec<u8>, ServiceRefusal> {
        let counter = match records.read(RECORD)? {
            None => NEW,
            Some(bytes) => Counter::decode(&bytes).ok_or(ServiceRefusal::Storage)?,
        };
        match command.header {
            header::COUNTER_READ if command.data.is_empty() => Ok(counter.encode().to_vec()),
            header::COUNTER_READ => Err(ServiceRefusal::Data),
            header::COUNTER_ADD => {
                let amount = number(command.data)
                    .filter(|amount| *amount > 0)
                    .ok_or(ServiceRefusal::Data)?;
                let value = counter
                    .value
                    .checked_add(amount)
                    .filter(|value| *value <= counter.limit);
                let value = value.ok_or(ServiceRefusal::Full)?;
                records.write(RECORD, &Counter { value, ..counter }.encode())?;
                Ok(value.to_be_bytes().to_vec())
            }
            header::COUNTER_LIMIT => {
                let limit = number(command.data)
                    .filter(|limit| *limit >= counter.value)
                    .ok_or(ServiceRefusal::Data)?;
                if !pin_verified {
                    return Err(ServiceRefusal::PinNeeded);
                }
                records.write(RECORD, &Counter { limit, ..counter }.encode())?;
                Ok(Vec::new())
            }
            other
                if [
                    header::COUNTER_READ,
                    header::COUNTER_ADD,
                    header::COUNTER_LIMIT,
                ]
                .iter()
                .any(|known| known.ins == other.ins) =>
            {
                Err(ServiceRefusal::Parameters)
            }
            _ => Err(ServiceRefusal::Instruction),
        }
    }
}

fn number(data: &[u8]) -> Option<u32> {
    data.try_into().ok().map(u32::from_be_bytes)
}
