//! Which key on which token: the URIs of RFC 7512, and what of them is refused.

use authority::custody::{KeyUri, UriError};
use std::path::Path;

/// The examples of RFC 7512 §3, in its order, and what becomes of each.
const EXAMPLES: [(&str, Option<UriError>); 13] = [
    ("pkcs11:", None),
    (
        "pkcs11:object=my-pubkey;type=public",
        Some(UriError::NotPrivate("public")),
    ),
    (
        "pkcs11:object=my-key;type=private?pin-source=file:/etc/token",
        None,
    ),
    (
        "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;\
         object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin",
        Some(UriError::NotPrivate("cert")),
    ),
    (
        "pkcs11:object=my-sign-key;type=private?module-name=mypkcs11",
        Some(UriError::ModuleName),
    ),
    (
        "pkcs11:object=my-sign-key;type=private?module-path=/mnt/libmypkcs11.so.1",
        None,
    ),
    (
        "pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.?pin-value=the-pin",
        Some(UriError::PinInside),
    ),
    (
        "pkcs11:slot-description=Sun%20Metaslot",
        Some(UriError::Unsupported("slot-description")),
    ),
    (
        "pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;library-description=Soft%20Token%20Library;library-version=1.23",
        Some(UriError::Unsupported("library-manufacturer")),
    ),
    (
        "pkcs11:token=My%20token%25%20created%20by%20Joe;library-version=3;id=%01%02%03%Ba%dd%Ca%fe%04%05%06",
        Some(UriError::Unsupported("library-version")),
    ),
    (
        "pkcs11:token=A%20name%20with%20a%20substring%20%25%3B;object=my-certificate;type=cert",
        Some(UriError::NotPrivate("cert")),
    ),
    (
        "pkcs11:token=Name%20with%20a%20small%20A%20with%20acute:%20%C3%A1;object=my-certificate;type=cert",
        Some(UriError::NotPrivate("cert")),
    ),
    (
        "pkcs11:token=my-token;object=my-certificate;type=cert;vendor-aaa=value-a?pin-source=file:/etc/token_pin&vendor-bbb=value-b",
        Some(UriError::NotPrivate("cert")),
    ),
];

#[test]
fn the_examples_of_the_rfc_are_read_or_refused_for_a_reason() {
    for (text, refusal) in EXAMPLES {
        assert_eq!(KeyUri::parse(text).err(), refusal, "{text}");
    }
}

#[test]
fn every_supported_attribute_is_decoded_and_kept() {
    let text = "pkcs11:token=My%20token%25;manufacturer=Snake%20Oil,%20Inc.;model=1.0;serial=;object=root%3B%C3%A1;type=private;\
                id=%01%02%Ba%dd%00;slot-id=42?pin-source=file:/etc/a%20pin&module-path=/mnt/lib+x/m.so.1";
    let uri = KeyUri::parse(text).unwrap();
    assert_eq!(uri.token.as_deref(), Some("My token%"));
    assert_eq!(uri.manufacturer.as_deref(), Some("Snake Oil, Inc."));
    assert_eq!(uri.model.as_deref(), Some("1.0"));
    assert_eq!(uri.serial.as_deref(), Some(""));
    assert_eq!(uri.object.as_deref(), Some("root;\u{e1}"));
    assert_eq!(uri.id.as_deref(), Some(&[1, 2, 0xBA, 0xDD, 0][..]));
    assert_eq!(uri.slot, Some(42));
    assert_eq!(uri.pin_source.as_deref(), Some(Path::new("/etc/a pin")));
    assert_eq!(uri.module.as_deref(), Some(Path::new("/mnt/lib+x/m.so.1")));
    assert_eq!(uri.to_string(), text);
    assert_eq!(KeyUri::parse(&uri.to_string()).unwrap(), uri);
    assert_eq!(uri.describe(), "token My token%, key root;\u{e1}");
}

#[test]
fn what_the_uri_does_not_say_stays_open() {
    for text in ["pkcs11:", "PKCS11:", "pkcs11:?"] {
        let uri = KeyUri::parse(text).unwrap();
        assert_eq!((uri.token, uri.object, uri.module), (None, None, None));
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    use UriError::{
        ModulePath, NotAPair, NotPrivate, PinSource, Scheme, Twice, Unsupported, Value,
    };
    for (text, refusal) in [
        ("", Scheme),
        ("pkcs11", Scheme),
        ("pkcs12:token=a", Scheme),
        ("file:/etc/key.pem", Scheme),
        (" pkcs11:token=a", Scheme),
        ("pkcs11:token", NotAPair),
        ("pkcs11:;token=a", NotAPair),
        ("pkcs11:token=a;", NotAPair),
        ("pkcs11:token=a;;object=b", NotAPair),
        ("pkcs11:?pin-source=file:/a&", NotAPair),
        ("pkcs11:token=a;token=a", Twice("token")),
        ("pkcs11:object=a;id=%01;object=b", Twice("object")),
        (
            "pkcs11:?pin-source=file:/a&pin-source=file:/b",
            Twice("pin-source"),
        ),
        ("pkcs11:token=a b", Value("token")),
        ("pkcs11:token=a/b", Value("token")),
        ("pkcs11:token=a#b", Value("token")),
        ("pkcs11:token=\u{e1}", Value("token")),
        ("pkcs11:token=%", Value("token")),
        ("pkcs11:token=%4", Value("token")),
        ("pkcs11:token=%4g", Value("token")),
        ("pkcs11:token=%+1", Value("token")),
        ("pkcs11:token=%00", Value("token")),
        ("pkcs11:token=%1B%5B2J", Value("token")),
        ("pkcs11:token=%ff", Value("token")),
        ("pkcs11:object=%C3", Value("object")),
        ("pkcs11:id=", Value("id")),
        ("pkcs11:id=%0", Value("id")),
        ("pkcs11:slot-id=", Value("slot-id")),
        ("pkcs11:slot-id=-1", Value("slot-id")),
        ("pkcs11:slot-id=+1", Value("slot-id")),
        ("pkcs11:slot-id=0x1", Value("slot-id")),
        ("pkcs11:slot-id=18446744073709551616", Value("slot-id")),
        ("pkcs11:type=secret", Value("type")),
        ("pkcs11:type=secret-key", NotPrivate("secret-key")),
        (
            "pkcs11:slot-manufacturer=a",
            Unsupported("slot-manufacturer"),
        ),
        ("pkcs11:?pin-source=/etc/pin", PinSource),
        ("pkcs11:?pin-source=file:etc/pin", PinSource),
        ("pkcs11:?pin-source=file://host/pin", PinSource),
        ("pkcs11:?pin-source=file:", PinSource),
        ("pkcs11:?pin-source=http:/pin", PinSource),
        ("pkcs11:?pin-source=|/bin/pin", PinSource),
        ("pkcs11:?module-path=libsofthsm2.so", ModulePath),
        ("pkcs11:?module-path=", ModulePath),
        ("pkcs11:?module-path=//host/m.so", ModulePath),
        ("pkcs11:?module-path=/m.so;x", Value("module-path")),
    ] {
        assert_eq!(KeyUri::parse(text), Err(refusal), "{text}");
    }
}

#[test]
fn an_attribute_nobody_knows_is_refused_by_name_and_in_its_own_half() {
    for (text, name) in [
        ("pkcs11:tokn=a", "tokn"),
        ("pkcs11:Token=a", "Token"),
        ("pkcs11:vendor-aaa=a", "vendor-aaa"),
        ("pkcs11:=a", ""),
        ("pkcs11:pin-source=file:/a", "pin-source"),
        ("pkcs11:?token=a", "token"),
        ("pkcs11:?a?b=c", "a?b"),
        ("pkcs11:\u{1b}[2J=a", "\\u{1b}[2J"),
    ] {
        let refusal = UriError::Unknown(name.into());
        assert_eq!(KeyUri::parse(text), Err(refusal), "{text}");
    }
    let long = format!("pkcs11:{}=a", "x".repeat(99));
    assert_eq!(KeyUri::parse(&long), Err(UriError::Unknown("x".repeat(40))));
}

#[test]
fn a_pin_in_the_uri_is_refused_and_not_repeated() {
    let error = KeyUri::parse("pkcs11:token=a?pin-value=geheim").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("geheim"));
    assert!(error.to_string().contains("pin-source=file:/path"));
}

#[test]
fn a_uri_has_at_most_2048_bytes() {
    let of_length = |length: usize| format!("pkcs11:token={}", "a".repeat(length - 13));
    assert!(KeyUri::parse(&of_length(2_048)).is_ok());
    assert_eq!(KeyUri::parse(&of_length(2_049)), Err(UriError::TooLong));
}
