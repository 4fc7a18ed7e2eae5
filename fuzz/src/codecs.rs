//! T23: every reader of bytes from outside. What it accepts, its writer gives back byte for byte.

use crate::tape::Tape;
use apdu::certificate::{Certificate, Date, Name, Request, StatusList, pem};
use apdu::codec::chaining::{Chain, segments};
use apdu::codec::command::{Command, Form, Header};
use apdu::codec::response::Response;
use apdu::codec::tlv::{Reader, Tag, Writer, put_object};
use apdu::identifier::MAX_LOGICAL_DATA;
use apdu::message::counter::Counter;
use apdu::message::key_exchange::{CardShare, TerminalRandom, TerminalShare};
use apdu::message::pairings::{self, Label, Pairing, PairingChange};
use apdu::message::personalise::KeyOrder;
use apdu::message::pin::{Digits, Reference, Replacement};
use apdu::message::reconnect::{Challenge, ChallengeAnswer};
use apdu::message::select::Fci;
use apdu::message::services;
use apdu::message::status::CardStatus;
use apdu::message::vault::{self, Entry, ObjectName, Policy};
use terminal_lib::store::IdentityName;
use terminal_lib::store::record::PairingRecord;

/// One reader and its writer: what the writer makes of what the reader has accepted.
pub struct Codec {
    /// Its name, also of its seeds.
    pub name: &'static str,
    again: fn(&[u8]) -> Option<Vec<u8>>,
}

impl Codec {
    /// Whether the reader accepts these bytes. If so, the writer must give them back.
    pub fn accepts(&self, bytes: &[u8]) -> bool {
        let again = (self.again)(bytes);
        if let Some(again) = &again {
            assert_eq!(
                again, bytes,
                "{}: accepted, and written otherwise",
                self.name
            );
        }
        again.is_some()
    }
}

/// Runs one input: its first byte chooses the reader. Says which, and whether it accepted.
pub fn run(input: &[u8]) -> (&'static str, bool) {
    let mut tape = Tape::new(input);
    let codec = &CODECS[tape.below(CODECS.len())];
    (codec.name, codec.accepts(tape.rest()))
}

const fn codec(name: &'static str, again: fn(&[u8]) -> Option<Vec<u8>>) -> Codec {
    Codec { name, again }
}

/// All of them.
pub const CODECS: [Codec; 35] = [
    codec("tlv", tlv),
    codec("command", |bytes| Command::parse(bytes).ok()?.encode().ok()),
    codec("response", |bytes| {
        Response::parse(bytes).ok().map(Response::into_bytes)
    }),
    codec("chain", chain),
    codec("certificate", |bytes| {
        rewritten(&Certificate::decode(bytes).ok()?, bytes)
    }),
    codec("stored-certificate", |bytes| {
        let stored = Certificate::restored(bytes).ok()?;
        // A point that is none must be refused by whoever uses it, not stop it.
        let _ = stored.claims().key.to_uncompressed();
        rewritten(&stored, bytes)
    }),
    codec("request", |bytes| {
        request(&Request::decode(bytes).ok()?, bytes)
    }),
    codec("status-list", |bytes| {
        let fields = StatusList::decode(bytes).ok()?.claims().clone();
        let again = StatusList::assemble(fields, *bytes.last_chunk()?);
        Some(again.encoded().to_vec())
    }),
    codec("select", |bytes| Some(Fci::decode(bytes).ok()?.encode())),
    codec("challenge", |bytes| {
        Some(Challenge::decode(bytes).ok()?.encode())
    }),
    codec("challenge-answer", |bytes| {
        Some(ChallengeAnswer::decode(bytes).ok()?.encode())
    }),
    codec("terminal-share", |bytes| {
        Some(TerminalShare::decode(bytes).ok()?.encode())
    }),
    codec("card-share", |bytes| {
        Some(CardShare::decode(bytes).ok()?.encode())
    }),
    codec("terminal-random", |bytes| {
        Some(TerminalRandom::decode(bytes).ok()?.encode())
    }),
    codec("key-order", |bytes| {
        Some(KeyOrder::decode(bytes).ok()?.encode())
    }),
    codec("pairings", |bytes| {
        Some(Pairing::encode_all(&Pairing::decode_all(bytes).ok()?))
    }),
    codec("pairing-change", |bytes| {
        Some(PairingChange::decode(bytes).ok()?.encode())
    }),
    codec("pairing-delete", |bytes| {
        let slot = pairings::decode_delete(bytes).ok()?;
        Some(pairings::encode_delete(slot))
    }),
    codec("pin", |bytes| {
        Some(Digits::new(Reference::Pin, bytes)?.expose().to_vec())
    }),
    codec("puk", |bytes| {
        Some(Digits::new(Reference::Puk, bytes)?.expose().to_vec())
    }),
    codec("pin-change", |bytes| {
        replacement(bytes, Reference::Pin, Reference::Pin)
    }),
    codec("puk-change", |bytes| {
        replacement(bytes, Reference::Puk, Reference::Puk)
    }),
    codec("unblock", |bytes| {
        replacement(bytes, Reference::Puk, Reference::Pin)
    }),
    codec("services", |bytes| {
        Some(services::encode(services::decode(bytes).ok()?.into_iter()))
    }),
    codec("status", |bytes| {
        Some(CardStatus::decode(bytes).ok()?.encode().to_vec())
    }),
    codec("counter", |bytes| {
        Some(Counter::decode(bytes)?.encode().to_vec())
    }),
    codec("vault-list", |bytes| {
        Some(Entry::encode_all(&Entry::decode_all(bytes).ok()?))
    }),
    codec("vault-name", |bytes| {
        Some(vault::encode_name(&vault::decode_name(bytes).ok()?))
    }),
    codec("vault-write", |bytes| {
        Some(vault::Write::decode(bytes).ok()?.encode().to_vec())
    }),
    codec("vault-policy", |bytes| {
        let [byte] = bytes else { return None };
        Some(vec![Policy::from_byte(*byte)?.to_byte()])
    }),
    codec("name", |bytes| {
        Some(Name::from_bytes(bytes)?.as_bytes().to_vec())
    }),
    codec("date", date),
    codec("text", text),
    codec("pem", armoured),
    codec("pairing-record", |bytes| {
        Some(PairingRecord::decode(bytes).ok()?.encode().to_vec())
    }),
];

/// Objects one after the other; inside constructed ones as well, as far as they are objects.
fn tlv(bytes: &[u8]) -> Option<Vec<u8>> {
    fn copy(mut reader: Reader<'_>) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            let mut inside = reader.clone();
            let Some((tag, value)) = reader.any().ok()? else {
                return Some(out);
            };
            let children = inside.enter(tag).ok().and_then(copy);
            put_object(&mut out, tag, children.as_deref().unwrap_or(value));
        }
    }
    copy(Reader::new(bytes))
}

/// A logical command, cut and joined again: form, size of the segments, header, data.
fn chain(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut tape = Tape::new(bytes);
    let form = [Form::Short, Form::Extended][tape.below(2)];
    let size = usize::from(tape.number()) + 1;
    let header = Header::new(tape.byte(), tape.byte(), tape.byte(), tape.byte()).unchained();
    let data = tape.rest();
    let apdus = segments(header, data, None, form, size).ok()?;
    let mut chain: Option<Chain> = None;
    for (number, apdu) in apdus.iter().enumerate() {
        let command = Command::parse(apdu).expect("a segment is a command");
        assert_eq!(command.header.unchained(), header);
        assert_eq!(command.header.is_chained(), number + 1 < apdus.len());
        chain = Some(match chain {
            None => Chain::begin(command.header, command.data),
            Some(chain) => match chain.append(command.header, command.data) {
                Ok(chain) => chain,
                Err(_) => {
                    assert!(data.len() > MAX_LOGICAL_DATA, "a short chain was refused");
                    return None;
                }
            },
        });
    }
    assert_eq!(chain?.into_data().as_slice(), data);
    Some(bytes.to_vec())
}

/// The certificate from its claims alone, with the signature it came with.
fn rewritten(certificate: &Certificate, bytes: &[u8]) -> Option<Vec<u8>> {
    let again = Certificate::assemble(certificate.claims().clone(), *bytes.last_chunk()?);
    Some(again.encoded().to_vec())
}

/// The request as §7.2 draws it.
fn request(request: &Request, bytes: &[u8]) -> Option<Vec<u8>> {
    let fields = request.fields();
    let algorithm = [4, 0, 0x7F, 0, 7, 2, 2, 2, 2, 3];
    let key = Writer::new()
        .put(Tag(0x06), &algorithm)
        .put(Tag(0x86), &fields.key.to_compressed());
    let extension = Writer::new()
        .put(Tag(0x06), &[0x88, 0x37, 3, 2])
        .put(Tag(0x80), &fields.nonce)
        .put(Tag(0x81), &[fields.role.to_byte()]);
    let body = Writer::new()
        .put(Tag(0x5F29), &[0])
        .put(Tag(0x42), fields.issuer.as_bytes())
        .nest(Tag(0x7F49), key)
        .put(Tag(0x5F20), fields.holder.as_bytes())
        .nest(Tag(0x65), Writer::new().nest(Tag(0x73), extension));
    let whole = Writer::new()
        .nest(Tag(0x7F4E), body)
        .put(Tag(0x5F37), bytes.last_chunk::<64>()?);
    Some(Writer::new().nest(Tag(0x7F21), whole).into_bytes())
}

fn replacement(bytes: &[u8], compared: Reference, replaced: Reference) -> Option<Vec<u8>> {
    let both = Replacement::decode(bytes, compared, replaced)?;
    Some(both.encode().to_vec())
}

/// A date in its three spellings, as far as the bytes are one.
fn date(bytes: &[u8]) -> Option<Vec<u8>> {
    match bytes.len() {
        3 => Some(Date::from_bcd(bytes.try_into().ok()?)?.to_bcd().to_vec()),
        6 => Some(
            Date::from_digits(bytes.try_into().ok()?)?
                .to_digits()
                .to_vec(),
        ),
        _ => {
            let date = Date::from_iso(str::from_utf8(bytes).ok()?)?;
            Some(date.to_string().into_bytes())
        }
    }
}

/// Labels, names of objects and of identities.
fn text(bytes: &[u8]) -> Option<Vec<u8>> {
    if let Some(label) = Label::new(bytes) {
        assert_eq!(label.as_str().as_bytes(), bytes);
    }
    let text = str::from_utf8(bytes).ok()?;
    if let Some(name) = IdentityName::new(text) {
        assert_eq!(name.as_str(), text);
    }
    Some(ObjectName::new(text)?.as_str().as_bytes().to_vec())
}

/// PEM has many spellings, so here the content must come back, and our own spelling must be stable. Nothing has none.
fn armoured(bytes: &[u8]) -> Option<Vec<u8>> {
    let content = pem::decode(pem::CERTIFICATE, bytes).ok()?;
    if content.is_empty() {
        return None;
    }
    let written = pem::encode(pem::CERTIFICATE, &content).ok()?;
    let again = pem::decode(pem::CERTIFICATE, written.as_bytes());
    assert_eq!(again.as_deref(), Ok(content.as_slice()));
    Some(bytes.to_vec())
}
