//! The wire between card and terminal: codecs, certificates, key schedule, secure messaging.
