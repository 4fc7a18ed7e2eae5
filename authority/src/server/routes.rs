//! The table of routes. The router, the description and the documentation's table are made from it or checked against it.

use super::handle::{account, clients, operator, public, station};
use super::metrics;
use super::route::Who::{Anyone, Enrolled, Operator, Reader, Station};
use super::route::{JSON, Parameter, Route};

/// Every route there is.
#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/health", Anyone, "How the authority and its parts are", public::health).may_say(&[200, 503]),
        Route::text("/v1/metrics", "Figures, in Prometheus' text format", metrics::MEDIA_TYPE, public::metrics),
        Route::text("/v1/openapi.json", "This description", JSON, public::description),
        Route::get("/v1/root", Anyone, "The newest root certificate", public::root),
        Route::get("/v1/roots", Anyone, "All roots, oldest first, each linked by the one before", public::roots),
        Route::get("/v1/status-list", Anyone, "The newest status list", public::status_list),
        Route::post("/v1/enrol", Anyone, "Become a client, with a one-time code", &[201], public::enrol).without_key(),

        Route::post("/v1/orders", Station, "Plan a certificate; gives the nonce for its request", &[201], station::order),
        Route::post("/v1/requests", Station, "Ask for the certificate that was ordered", &[201, 202], station::request),
        Route::get("/v1/requests/{id}", Station, "What became of a request that had to wait", station::pending).may_say(&[200, 202]),
        Route::get("/v1/waiting", Station, "Certificates that may never have reached their holder, newest first", station::waiting).with_query(&[
            Parameter { name: "role", what: "`card` or `terminal`", required: true, number: false },
        ]),
        Route::post("/v1/deliveries", Station, "A holder has stored its certificate", &[204], station::delivery),

        Route::get("/v1/approvals", Reader, "Requests that wait for an operator", operator::approvals),
        Route::post("/v1/approvals/{id}", Operator, "Approve or refuse a request", &[200, 204], operator::decide),
        Route::post("/v1/revocations", Operator, "Revoke a holder, for ever", &[204], operator::revoke),
        Route::post("/v1/status-lists", Operator, "Sign and publish the next status list", &[201, 202], operator::publish),
        Route::get("/v1/holders", Reader, "Holders, page by page", operator::holders).with_query(&[
            Parameter { name: "after", what: "Names after this one", required: false, number: false },
            Parameter { name: "limit", what: "At most so many: 1 to 1000, 100 without", required: false, number: true },
        ]),
        Route::get("/v1/enrolments", Reader, "Open invitations, without their codes", clients::enrolments),
        Route::post("/v1/enrolments", Operator, "Invite a client; gives its one-time code", &[201, 202], clients::invite).not_remembered(),
        Route::get("/v1/clients", Reader, "All clients, also those that were revoked", clients::clients),
        Route::delete("/v1/clients/{name}", Operator, "Revoke a client, or take back its invitation", clients::end),
        Route::post("/v1/rights/{name}", Operator, "Give a station other rights", &[202, 204], clients::grant),
        Route::get("/v1/proposals", Reader, "Changes that wait for a second operator", clients::proposals),
        Route::post("/v1/proposals/{id}", Operator, "Confirm, as a second operator, or dismiss a change", &[204], clients::decide),

        Route::get("/v1/holders/{holder}", Enrolled, "One holder and its certificate", account::holder),
        Route::get("/v1/log/head", Enrolled, "The newest signed tree head", account::head),
        Route::get("/v1/log/consistency", Enrolled, "The proof that one head follows from another", account::consistency).with_query(&[
            Parameter { name: "from", what: "Size of the older tree", required: true, number: true },
            Parameter { name: "to", what: "Size of the newer tree", required: true, number: true },
        ]),
        Route::get("/v1/log/receipts/{holder}", Enrolled, "The inclusion receipt of a holder's certificate", account::receipt),
        Route::get("/v1/log/entries", Enrolled, "Entries of the log", account::entries).with_query(&[
            Parameter { name: "from", what: "The first, counted from 0", required: true, number: true },
            Parameter { name: "count", what: "At most so many: 1 to 1000", required: false, number: true },
        ]),
    ]
}
