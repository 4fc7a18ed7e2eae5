//! Whoever has the newer status list hands it on, after the first answer of each session (§13).

use super::{Session, SessionError};
use crate::application::{Application, Notice};
use crate::connect::ConnectError;
use crate::identity::{self, IdentityError, Trusted};
use crate::store::record::PairingRecord;
use crate::trust::ListAge;
use apdu::certificate::{Date, StatusList};
use apdu::codec::status::StatusWord;

impl Session<'_> {
    /// After the first answer: whoever has the newer status list hands it on (§13).
    pub(crate) fn exchange_status_lists(
        &mut self,
        trusted: &Trusted,
        today: Date,
        application: &mut dyn Application,
    ) -> Result<(), ConnectError> {
        let on_card = self.status.map_or(0, |status| status.list_sequence);
        let own = trusted.list().map_or(0, |list| list.claims().sequence);
        match (trusted.list(), own.cmp(&on_card)) {
            (_, core::cmp::Ordering::Equal) | (None, core::cmp::Ordering::Greater) => Ok(()),
            (Some(list), core::cmp::Ordering::Greater) => {
                let notice = match self.hand_on(list, trusted)? {
                    None => Notice::StatusListSent { sequence: own },
                    Some(refusal) => Notice::StatusListNotTaken {
                        reason: refusal.to_string(),
                    },
                };
                application.notice(&notice);
                Ok(())
            }
            (_, core::cmp::Ordering::Less) => self.take_status_list(today, application),
        }
    }

    /// Sends a list. A card that does not know the root that signed it is told of that root, by the link, and gets the list again. Gives
    /// the card's refusal, if that was its last word.
    fn hand_on(
        &mut self,
        list: &StatusList,
        trusted: &Trusted,
    ) -> Result<Option<SessionError>, ConnectError> {
        let unknown = |error: &SessionError| matches!(error, SessionError::Refused { status, .. } if *status == StatusWord::WRONG_DATA);
        let mut sent = self.put_status_list(list);
        if sent.as_ref().is_err_and(unknown)
            && let Some(link) = trusted.link_to(&list.claims().issuer)?
        {
            sent = self
                .put_link(&link)
                .and_then(|()| self.put_status_list(list));
        }
        match sent {
            Ok(()) => Ok(None),
            Err(refusal @ SessionError::Refused { .. }) => Ok(Some(refusal)),
            Err(error) => Err(error.into()),
        }
    }

    fn take_status_list(
        &mut self,
        today: Date,
        application: &mut dyn Application,
    ) -> Result<(), ConnectError> {
        let list = match self.status_list() {
            Ok(Some(list)) => list,
            Ok(None) => return Ok(()),
            Err(error @ (SessionError::Refused { .. } | SessionError::Malformed { .. })) => {
                application.notice(&Notice::StatusListNotTaken {
                    reason: error.to_string(),
                });
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let (store, name) = (self.terminal.store.as_mut(), &self.terminal.identity);
        match identity::take_status_list(store, name, &list, today) {
            Ok(ListAge::Newer) => application.notice(&Notice::StatusListTaken {
                sequence: list.claims().sequence,
            }),
            Ok(ListAge::Same | ListAge::Older) => {}
            Err(IdentityError::Store(error)) => return Err(error.into()),
            Err(error) => application.notice(&Notice::StatusListNotTaken {
                reason: error.to_string(),
            }),
        }
        self.refuse_revoked()
    }

    /// The list that has just come may name this very card.
    fn refuse_revoked(&mut self) -> Result<(), ConnectError> {
        let (store, name) = (self.terminal.store.as_ref(), &self.terminal.identity);
        let Some(record) = PairingRecord::read(store, name, &self.holder)? else {
            return Ok(());
        };
        let Err(refusal) = Trusted::read(store, name)?.judge_paired(&record) else {
            return Ok(());
        };
        self.forget_pairing()?;
        self.channel.close();
        let card = self.card;
        Err(ConnectError::Revoked { card, refusal })
    }
}
