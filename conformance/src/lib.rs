//! Card and terminal together, in process and over pcscd.
