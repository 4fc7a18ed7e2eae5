//! A link to one key: token found, logged in, attributes checked, tried once.

use super::attributes;
use super::module::Module;
use crate::custody::pin::Pin;
use crate::custody::token::TokenError;
use crate::custody::uri::KeyUri;
use apdu::crypto::{PublicKey, sha256};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;

/// What is signed to see that private and public key belong together. No certificate, list or request begins like this.
const TRIAL: &[u8] = b"tallystick: trial signature of the authority's key";

/// How the token signs.
#[derive(Clone, Copy)]
enum Way {
    /// `CKM_ECDSA`: it is given the hash.
    Hash,
    /// `CKM_ECDSA_SHA256`: it is given the message.
    Message,
}

/// An open session with one key in it. Good for one run of its module.
pub(super) struct Link {
    session: Session,
    run: u64,
    key: ObjectHandle,
    way: Way,
    pub(super) public: PublicKey,
    /// Labels of token and key, as they are on the token.
    pub(super) name: String,
}

impl Link {
    /// Finds the token, logs in with one try of the PIN, finds the key, checks it and tries it.
    pub(super) fn open(module: &Module, uri: &KeyUri, pin: &Pin) -> Result<Self, TokenError> {
        let (slot, about) = find_token(module, uri)?;
        let way = way(module, slot)?;
        // Without a drop of its own: a session of an earlier run must not be closed.
        let session = module.client.open_ro_session_no_drop(slot)?;
        match prepare(&session, &about, uri, pin, way) {
            Ok((key, public, label)) => Ok(Self {
                session,
                run: module.run(),
                key,
                way,
                public,
                name: name(about.label(), &label),
            }),
            Err(error) => {
                let _ = session.close(); // the first error is the one to tell
                Err(error)
            }
        }
    }

    /// Whether the link is of the module's present run.
    pub(super) fn is_current(&self, module: &Module) -> bool {
        self.run == module.run()
    }

    /// Signs, and lets nothing out that does not verify.
    pub(super) fn sign(&self, message: &[u8]) -> Result<[u8; 64], TokenError> {
        sign(&self.session, self.key, self.way, &self.public, message)
    }

    /// Ends the session; the token logs out with its last one.
    pub(super) fn close(self, module: &Module) {
        if self.is_current(module) {
            let _ = self.session.close(); // nothing to be done about a session that does not end
        }
    }
}

/// Makes a key pair as the URI names it. Nothing is made when label or id are taken.
pub(super) fn generate(module: &Module, uri: &KeyUri, pin: &Pin) -> Result<(), TokenError> {
    let label = uri.object.as_deref().ok_or(TokenError::NoLabel)?;
    let (slot, about) = find_token(module, uri)?;
    let session = module.client.open_rw_session(slot)?;
    log_in(&session, &about, pin)?;
    let id = match &uri.id {
        Some(id) => id.clone(),
        None => session.generate_random_vec(16)?,
    };
    for taken in [Attribute::Label(label.into()), Attribute::Id(id.clone())] {
        for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
            let template = [Attribute::Class(class), taken.clone()];
            if !session.find_objects(&template)?.is_empty() {
                return Err(TokenError::KeyExists);
            }
        }
    }
    let public = attributes::public_template(label, &id);
    let private = attributes::private_template(label, &id);
    session
        .generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)
        .map(drop)
        .map_err(TokenError::from)
}

fn find_token(module: &Module, uri: &KeyUri) -> Result<(Slot, TokenInfo), TokenError> {
    let slots = module.client.get_slots_with_token()?;
    // A slot that does not tell of its token cannot be the one that is meant.
    let told = slots
        .into_iter()
        .filter_map(|slot| Some((slot, module.client.get_token_info(slot).ok()?)));
    let mut meant: Vec<_> = told
        .filter(|(slot, about)| is_meant(uri, *slot, about))
        .collect();
    match (meant.pop(), meant.len()) {
        (None, _) => Err(TokenError::NoToken),
        (Some(found), 0) => Ok(found),
        (Some(_), others) => Err(TokenError::SeveralTokens(others + 1)),
    }
}

fn is_meant(uri: &KeyUri, slot: Slot, about: &TokenInfo) -> bool {
    let fits =
        |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    about.token_initialized()
        && fits(&uri.token, about.label())
        && fits(&uri.serial, about.serial_number())
        && fits(&uri.manufacturer, about.manufacturer_id())
        && fits(&uri.model, about.model())
        && uri.slot.is_none_or(|number| number == slot.id())
}

fn way(module: &Module, slot: Slot) -> Result<Way, TokenError> {
    let offered = module.client.get_mechanism_list(slot)?;
    if offered.contains(&MechanismType::ECDSA) {
        Ok(Way::Hash)
    } else if offered.contains(&MechanismType::ECDSA_SHA256) {
        Ok(Way::Message)
    } else {
        Err(TokenError::NoMechanism)
    }
}

/// One try, and none at all where it could be the one that locks the token.
fn log_in(session: &Session, about: &TokenInfo, pin: &Pin) -> Result<(), TokenError> {
    if about.user_pin_locked() {
        return Err(TokenError::PinLocked);
    }
    if about.user_pin_final_try() {
        return Err(TokenError::LastTry);
    }
    if !about.user_pin_initialized() {
        return Err(TokenError::NoPin);
    }
    match session.login(UserType::User, Some(&AuthPin::from(pin.expose()))) {
        // Another key of this process is open on the same token.
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn prepare(
    session: &Session,
    about: &TokenInfo,
    uri: &KeyUri,
    pin: &Pin,
    way: Way,
) -> Result<(ObjectHandle, PublicKey, String), TokenError> {
    log_in(session, about, pin)?;
    let key = find_private(session, uri)?;
    attributes::check(session, key)?;
    let named = [AttributeType::Id, AttributeType::Label];
    let (mut id, mut label) = (Vec::new(), String::new());
    for attribute in session.get_attributes(key, &named)? {
        match attribute {
            Attribute::Id(bytes) => id = bytes,
            Attribute::Label(bytes) => label = String::from_utf8_lossy(&bytes).into_owned(),
            _ => {}
        }
    }
    let public = public_key(session, id)?;
    sign(session, key, way, &public, TRIAL)?;
    Ok((key, public, label))
}

fn find_private(session: &Session, uri: &KeyUri) -> Result<ObjectHandle, TokenError> {
    let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
    template.extend(
        uri.object
            .as_ref()
            .map(|label| Attribute::Label(label.clone().into())),
    );
    template.extend(uri.id.clone().map(Attribute::Id));
    match session.find_objects(&template)?.as_slice() {
        [] => Err(TokenError::NoKey),
        [key] => Ok(*key),
        keys => Err(TokenError::SeveralKeys(keys.len())),
    }
}

fn public_key(session: &Session, id: Vec<u8>) -> Result<PublicKey, TokenError> {
    let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Id(id)];
    let found = session.find_objects(&template)?;
    let [object] = found.as_slice() else {
        return Err(TokenError::PublicKeys(found.len()));
    };
    let asked = [AttributeType::EcPoint];
    match session.get_attributes(*object, &asked)?.first() {
        Some(Attribute::EcPoint(encoded)) => attributes::point(encoded),
        _ => Err(TokenError::Point),
    }
}

fn sign(
    session: &Session,
    key: ObjectHandle,
    way: Way,
    public: &PublicKey,
    message: &[u8],
) -> Result<[u8; 64], TokenError> {
    let hash = sha256(&[message]);
    let signed = match way {
        Way::Hash => session.sign(&Mechanism::Ecdsa, key, &hash),
        Way::Message => session.sign(&Mechanism::EcdsaSha256, key, message),
    };
    verified(public, message, &signed?)
}

/// A fault of the token must not leave: it could tell the private key.
fn verified(public: &PublicKey, message: &[u8], signed: &[u8]) -> Result<[u8; 64], TokenError> {
    let signature = signed.try_into().map_err(|_| TokenError::WrongSignature)?;
    match public.verify(message, &signature) {
        Ok(()) => Ok(signature),
        Err(_) => Err(TokenError::WrongSignature),
    }
}

fn name(token: &str, key: &str) -> String {
    format!("token {}, key {}", token.escape_debug(), key.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;
    use apdu::crypto::PrivateKey;

    #[test]
    fn a_signature_with_a_fault_in_it_does_not_leave() {
        let key = PrivateKey::from_scalar(&[7; 32]).unwrap();
        let (public, good) = (key.public_key(), key.sign(b"message"));
        assert_eq!(verified(&public, b"message", &good), Ok(good));
        for bit in 0..512 {
            let mut wrong = good;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                verified(&public, b"message", &wrong),
                Err(TokenError::WrongSignature),
                "bit {bit}"
            );
        }
        let longer = [&good[..], &[0]].concat();
        for wrong in [&good[..63], &longer, &[]] {
            let refused = verified(&public, b"message", wrong);
            assert_eq!(refused, Err(TokenError::WrongSignature));
        }
        let other = PrivateKey::from_scalar(&[8; 32]).unwrap().public_key();
        assert!(verified(&other, b"message", &good).is_err());
        assert!(verified(&public, b"massage", &good).is_err());
    }
}
