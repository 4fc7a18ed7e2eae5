//! Clients and their rights are lines of the ledger: judged by the authority, proven by the lines alone.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use apdu::certificate::Role;
use apdu::crypto::sha256;
use authority::client::{Client, ClientRole, RollEdit};
use authority::job::{Job, Task};
use authority::ledger::{ClientChange, Event, Line, Wish};
use authority::server::clients::{Register, RegisterError};
use authority::store::{Store, copy, sqlite};
use authority::{
    Application, Authority, CODE_LIFETIME, Challenge, HolderKind, MOST_JUMP, MOST_YEARS, NameOrder,
    Order, Rights, STORE_FILE, Scope,
};
use std::time::Duration;
use support::{Bench, DAY, START, at, finding, name, request};

fn store(bench: &Bench) -> Box<dyn Store> {
    sqlite::open(&bench.folder().join(STORE_FILE), Duration::from_secs(60)).unwrap()
}

fn enrol(bench: &Bench, client: &str, role: ClientRole, rights: Rights) {
    let register = Register::new(store(bench));
    let code = sha256(&[client.as_bytes()]);
    register
        .invite_with(client, role, rights, &code, bench.now)
        .unwrap();
    let certify = |name: &str, _| Ok::<_, RegisterError>((sha256(&[b"key", name.as_bytes()]), ()));
    register.enrol(&code, bench.now, certify).unwrap();
}

fn with(rights: Rights) -> Bench {
    let bench = Bench::new();
    enrol(&bench, "LINE1", ClientRole::Station, rights);
    enrol(&bench, "ADA", ClientRole::Operator, Rights::default());
    enrol(&bench, "BOB", ClientRole::Operator, Rights::default());
    bench
}

fn run(bench: &mut Bench, by: &str, job: Job) -> Result<Line, String> {
    let task = Task {
        job,
        by: Some(by.into()),
        token: None,
    };
    let now = at(bench.now);
    let done = bench
        .authority
        .run(&[task], Some(bench.key.as_mut()), &mut bench.tape, now);
    let mut done = done.unwrap();
    done.pop().unwrap().map_err(|error| error.to_string())
}

fn order(bench: &mut Bench, role: Role, name: NameOrder) -> Result<Challenge, String> {
    let line = run(bench, "LINE1", Job::Order(Order { role, name }))?;
    Ok(Challenge::of(&line, support::name("ZZTALLYROOT00001")).unwrap())
}

fn next(bench: &mut Bench) -> Result<Challenge, String> {
    order(bench, Role::Card, NameOrder::NextOf("ZZCARD".into()))
}

fn exactly(text: &str) -> NameOrder {
    NameOrder::Exactly(name(text))
}

fn revoked(name: &str) -> ClientChange {
    ClientChange::Revoked { name: name.into() }
}

#[test]
fn a_station_orders_what_its_rights_say_and_nothing_else() {
    let mut bench = with(Rights {
        prefixes: vec!["ZZCARD".into()],
        roles: vec![HolderKind::Card],
        daily: Some(2),
        jump: Some(5),
        ..Rights::default()
    });
    let other = order(&mut bench, Role::Card, NameOrder::NextOf("ZZOTHER".into()));
    assert!(other.unwrap_err().contains("prefix ZZOTHER"));
    let other = order(
        &mut bench,
        Role::Terminal,
        NameOrder::NextOf("ZZCARD".into()),
    );
    assert!(other.unwrap_err().contains("may not order a"));
    let far = order(&mut bench, Role::Card, exactly("ZZCARD00006"));
    assert!(far.unwrap_err().contains("more than 5 above"));
    order(&mut bench, Role::Card, exactly("ZZCARD00005")).unwrap();
    assert_eq!(next(&mut bench).unwrap().holder, name("ZZCARD00006"));
    let third = next(&mut bench).unwrap_err();
    assert!(third.contains("its 2 orders of today"), "{third}");
    bench.now += DAY;
    next(&mut bench).unwrap();
    bench.authority.audit().unwrap();
}

#[test]
fn without_rights_of_its_own_a_station_does_not_use_up_a_prefix_nor_choose_255_years() {
    let mut bench = with(Rights::default());
    let far = order(&mut bench, Role::Card, exactly("ZZCARD99999")).unwrap_err();
    assert!(
        far.contains(&format!("more than {MOST_JUMP} above")),
        "{far}"
    );
    let challenge = next(&mut bench).unwrap();
    let key = bench.key_pair();
    let application = |years| {
        Box::new(Application {
            request: request(&challenge, &key),
            role: Role::Card,
            years: Some(years),
        })
    };
    for years in [255, MOST_YEARS + 1] {
        let ask = Job::Ask {
            application: application(years),
            lifetime: DAY,
        };
        for job in [Job::Issue(application(years)), ask] {
            let told = run(&mut bench, "LINE1", job).unwrap_err();
            assert!(told.contains("more than the 10"), "{told}");
        }
    }
    run(&mut bench, "LINE1", Job::Issue(application(MOST_YEARS))).unwrap();
    // On the authority's own machine somebody decides who has its key.
    bench.order(Role::Card, exactly("ZZCARD90000")).unwrap();
    bench.authority.audit().unwrap();
}

#[test]
fn fewer_years_than_the_default_are_what_a_request_without_years_gets() {
    let mut bench = with(Rights {
        years: Some(1),
        ..Rights::default()
    });
    let challenge = next(&mut bench).unwrap();
    let application = Box::new(Application {
        request: bench.answer(&challenge),
        role: Role::Card,
        years: None,
    });
    let line = run(&mut bench, "LINE1", Job::Issue(application)).unwrap();
    let Event::Issued { certificate, .. } = line.event else {
        panic!("{line:?}");
    };
    assert_eq!(certificate.claims().until.to_string(), "2027-11-20");
    bench.authority.audit().unwrap();
}

#[test]
fn rights_can_be_changed_and_each_change_is_a_line() {
    let mut bench = with(Rights::default());
    let granted = |rights| ClientChange::Granted {
        name: "LINE1".into(),
        rights,
    };
    let wide = Rights {
        jump: Some(99_999),
        ..Rights::default()
    };
    let by_station = run(&mut bench, "LINE1", Job::Client(granted(wide.clone())));
    assert!(by_station.is_err(), "a station grants itself nothing");
    run(&mut bench, "ADA", Job::Client(granted(wide))).unwrap();
    order(&mut bench, Role::Card, exactly("ZZCARD99999")).unwrap();
    let bad = Rights {
        prefixes: vec!["zz".into()],
        ..Rights::default()
    };
    assert!(run(&mut bench, "ADA", Job::Client(granted(bad))).is_err());
    bench.authority.audit().unwrap();
}

#[test]
fn what_a_revoked_client_asks_while_it_is_revoked_is_not_done() {
    let mut bench = with(Rights::default());
    run(&mut bench, "ADA", Job::Client(revoked("LINE1"))).unwrap();
    let told = next(&mut bench).unwrap_err();
    assert_eq!(told, "LINE1 is not enrolled any more");
    bench.authority.audit().unwrap();
}

#[test]
fn a_change_that_was_proposed_is_made_only_by_another_operator_and_once() {
    let mut bench = with(Rights::default());
    let propose = Job::Propose(Wish::Client(revoked("LINE1")));
    let proposal = run(&mut bench, "ADA", propose.clone()).unwrap().sequence;
    let own = run(&mut bench, "ADA", Job::Confirm(proposal)).unwrap_err();
    assert!(own.contains("another operator"), "{own}");
    next(&mut bench).unwrap();
    run(&mut bench, "BOB", Job::Confirm(proposal)).unwrap();
    assert!(next(&mut bench).is_err());
    for job in [
        Job::Confirm(proposal),
        Job::Dismiss(proposal),
        Job::Confirm(1),
    ] {
        assert!(
            run(&mut bench, "BOB", job)
                .unwrap_err()
                .contains("no change")
        );
    }
    let cut = run(&mut bench, "ADA", Job::Propose(Wish::CutOff))
        .unwrap()
        .sequence;
    let line = run(&mut bench, "BOB", Job::Confirm(cut)).unwrap();
    assert!(
        matches!(line.event, Event::List { confirms: Some(of), min_epoch: 1, .. } if of == cut)
    );
    let late = run(&mut bench, "ADA", Job::Propose(Wish::CutOff))
        .unwrap()
        .sequence;
    bench.now += 8 * DAY;
    assert!(run(&mut bench, "BOB", Job::Confirm(late)).is_err());
    bench.authority.audit().unwrap();
}

#[test]
fn lines_that_break_the_rules_about_clients_are_found() {
    let mut bench = with(Rights {
        prefixes: vec!["ZZCARD".into()],
        ..Rights::default()
    });
    let proposal = Job::Propose(Wish::Client(revoked("LINE1")));
    let proposal = run(&mut bench, "ADA", proposal).unwrap().sequence;
    next(&mut bench).unwrap();
    run(&mut bench, "BOB", Job::Confirm(proposal)).unwrap();
    run(&mut bench, "ADA", Job::Publish(Scope::Revoked)).unwrap();
    let lines = bench.authority.lines(1, 99).unwrap();
    assert_eq!(finding(&bench.authority, &lines), "good");
    let has = |words: &str| {
        let place = lines.iter().position(|line| line.contains(words));
        place.unwrap_or_else(|| panic!("{words}"))
    };
    for (line, from, to) in [
        (has("challenge"), "LINE1", "LINE9"),   // nobody
        (has("challenge"), "LINE1", "ADA"),     // an operator orders
        (has("challenge"), "ZZCARD", "ZZDRAC"), // another prefix
        (has("confirms"), "BOB", "ADA"),        // confirms its own proposal
        (has("confirms"), "LINE1", "BOB"),      // another change than was proposed
        (has("\"list\""), "ADA", "LINE1"),      // revoked, and a station
        (has("enrolled"), "\"by\":\"LINE1\"", "\"by\":\"BOB\""), // somebody else enrols
        (has("enrolled"), "\"code\":\"", "\"code\":\"00"), // with another code
        (has("invited"), "station", "operator"), // an operator with a station's rights
    ] {
        let mut forged = lines.clone();
        forged[line] = forged[line].replacen(from, to, 1);
        assert_ne!(forged[line], lines[line], "{from}");
        assert_ne!(finding(&bench.authority, &forged), "good", "{from} -> {to}");
    }
}

#[test]
fn clients_of_before_are_adopted_by_lines_with_the_next_change() {
    let mut bench = Bench::new();
    let old = Client {
        name: "LINE1".into(),
        role: ClientRole::Station,
        fingerprint: "ab".repeat(32),
        added: START - 9,
        ..Client::default()
    };
    let mut before = store(&bench);
    before.begin_roll().unwrap();
    before.commit_roll(&[RollEdit::Enrol(old)]).unwrap();
    next(&mut bench).unwrap();
    bench.authority.audit().unwrap();
    enrol(&bench, "ADA", ClientRole::Operator, Rights::default());
    let lines = bench.authority.lines(1, 9).unwrap();
    assert!(
        lines[2].contains("adopted") && lines[3].contains("invited"),
        "{lines:?}"
    );
    let roll = before.roll().unwrap();
    let known: Vec<_> = roll
        .clients
        .iter()
        .map(|row| (&*row.name, row.line))
        .collect();
    assert_eq!(known, [("LINE1", 3), ("ADA", 5)]);
    bench.authority.audit().unwrap();
    next(&mut bench).unwrap();
}

#[test]
fn clients_invitations_and_proposals_move_with_their_ledger() {
    let mut bench = with(Rights {
        daily: Some(9),
        ..Rights::default()
    });
    next(&mut bench).unwrap();
    run(&mut bench, "ADA", Job::Propose(Wish::CutOff)).unwrap();
    let register = Register::new(store(&bench));
    register
        .invite("LINE2", ClientRole::Station, &[7; 32], START)
        .unwrap();
    let path = bench.temporary.path().join("copy.db");
    let mut to = sqlite::create(&path, Duration::ZERO).unwrap();
    copy(store(&bench).as_mut(), to.as_mut()).unwrap();
    assert_eq!(to.roll().unwrap(), store(&bench).roll().unwrap());
    assert_eq!(to.proposals().unwrap().len(), 1);
    Authority::new(to).unwrap().audit().unwrap();
}

#[test]
fn a_code_is_in_its_line_only_as_a_hash_and_good_for_a_day() {
    let bench = with(Rights::default());
    let mut authority = bench.authority;
    let line = authority.lines(2, 1).unwrap().pop().unwrap();
    let Event::Client { change, .. } = Line::read(&line).unwrap().event else {
        panic!("{line}");
    };
    let ClientChange::Invited { code, expires, .. } = change else {
        panic!("{change:?}");
    };
    assert_eq!((code.len(), expires), (64, START + CODE_LIFETIME));
}
