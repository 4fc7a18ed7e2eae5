//! What a person may type after `certify clients`.

use clap::{Args, Subcommand, ValueEnum};

/// A change or list of the service's clients.
#[derive(Subcommand)]
pub enum ClientsVerb {
    /// List the clients, also those that were revoked, and the open invitations
    List,
    /// Invite a client; prints its one-time code
    Invite {
        /// Its name: 1 to 32 letters, digits, - or _
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        role: RoleWord,
        #[command(flatten)]
        rights: RightsArguments,
    },
    /// Revoke a client, or take back its invitation
    Revoke {
        /// Its name
        name: String,
    },
    /// Give a station other rights; what is not named has no limit of its own any more
    Rights {
        /// Its name
        name: String,
        #[command(flatten)]
        rights: RightsArguments,
    },
    /// List the changes that wait for a second operator
    Proposals,
    /// Confirm, as a second operator, a change that waits
    Confirm {
        /// Its id, as `proposals` shows it
        id: u64,
    },
    /// Dismiss a change that waits
    Dismiss {
        /// Its id, as `proposals` shows it
        id: u64,
    },
}

/// What a client may do.
#[derive(Clone, Copy, ValueEnum)]
pub enum RoleWord {
    /// Orders and requests certificates
    Station,
    /// Approves, revokes, publishes, enrols
    Operator,
    /// Reads, and changes nothing
    Auditor,
}

impl RoleWord {
    /// As the service calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Station => "station",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }
}

/// What a station may order.
#[derive(Args)]
pub struct RightsArguments {
    /// A prefix of names that the station may order; once for each [default: all]
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Vec<String>,
    /// What the station may order; once for each [default: both]
    #[arg(long, value_name = "KIND", value_parser = ["card", "terminal"])]
    pub certifies: Vec<String>,
    /// Most years of validity [default: 10]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..))]
    pub years: Option<u8>,
    /// Most orders on one day [default: no limit]
    #[arg(long, value_name = "COUNT")]
    pub daily: Option<u32>,
    /// How far above the highest serial number of its prefix it may choose a name [default: 100]
    #[arg(long, value_name = "COUNT")]
    pub jump: Option<u32>,
}
