//! From a request to its answer: who asks, whether it may, how often, how much, how long; then the desk; then one line of log.

use super::clients::Client;
use super::desk::IdempotencyKey;
use super::log::Kind;
use super::openapi::variable;
use super::problem::{
    self, BUSY, INTERNAL, KEY_MISSING, MALFORMED, MEDIA, METHOD, NO_ROUTE, Problem, RATE,
    REVOKED_CLIENT, SLOW, TIMEOUT, TOO_LARGE, UNENROLLED, WRONG_ROLE,
};
use super::route::{Answer, Call, Method, Route, Who};
use super::service::Service;
use apdu::crypto::sha256;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use axum::routing::{MethodFilter, on};
use http_body_util::BodyExt as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub address: IpAddr,
    /// SHA-256 of the client certificate, whose signature by our TLS CA the handshake has verified.
    pub certificate: Option<[u8; 32]>,
}

/// The service, and how many desk operations may run at a time.
#[derive(Clone)]
pub(super) struct Front {
    pub service: Arc<Service>,
    pub operations: Arc<Semaphore>,
}

/// The router, made from the table of routes.
pub(super) fn router(front: &Front) -> Router {
    let mut router = Router::new();
    for (place, route) in front.service.routes.iter().enumerate() {
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Delete => MethodFilter::DELETE,
        };
        let front = front.clone();
        let handler = move |request: Request<Body>| answer(front, Ok(place), request);
        router = router.route(route.path, on(filter, handler));
    }
    let fallback = |kind, detail: &'static str| {
        let front = front.clone();
        move |request: Request<Body>| answer(front, Err(Problem::new(kind, detail)), request)
    };
    router
        .fallback(fallback(NO_ROUTE, "nothing is served at this path"))
        .method_not_allowed_fallback(fallback(METHOD, "the path is served, with another method"))
}

/// Answers one request: to the route at this place of the table, or with this problem.
async fn answer(
    front: Front,
    place: Result<usize, Problem>,
    request: Request<Body>,
) -> Response<Body> {
    let begun = Instant::now();
    let service = &front.service;
    let id = service.next_id();
    let place = place.and_then(|place| {
        let missing = || Problem::new(NO_ROUTE, "nothing is served at this path");
        service.routes.get(place).map(|_| place).ok_or_else(missing)
    });
    let route = place
        .as_ref()
        .ok()
        .and_then(|place| service.routes.get(*place));
    let method = match route {
        Some(route) => verb(route.method),
        None => "OTHER",
    };
    let path = route.map_or("none", |route| route.path);
    let peer = request.extensions().get::<Peer>().copied();
    let mut client = None;
    let all = async {
        match place {
            Ok(place) => work(&front, place, request, &mut client).await,
            Err(problem) => {
                drain(service, request.into_body()).await;
                Err(problem)
            }
        }
    };
    let result = match timeout(service.limits.request_time, all).await {
        Ok(result) => result,
        Err(_) => Err(Problem::new(
            SLOW,
            "the operation takes too long; it goes on",
        )),
    };
    let response = respond(result, &id);
    let took = begun.elapsed();
    let status = response.status().as_u16();
    service.metrics.request(method, path, status, took);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let kind = match &client {
        None => Some(Kind::Stranger(status)),
        Some(_) if status == RATE.1 => Some(Kind::TooOften),
        Some(_) => None,
    };
    let left_out = kind.map_or(Some(0), |kind| service.sampler.take(kind, begun));
    if let Some(left_out) = left_out {
        let client = client.map_or_else(|| "-".into(), |client: Client| client.name);
        let peer = peer.map_or_else(|| "-".into(), |peer| peer.address.to_string());
        tracing::info!(
            request = id,
            client,
            peer,
            method,
            route = path,
            status,
            micros,
            left_out,
            "request"
        );
    }
    response
}

async fn work(
    front: &Front,
    place: usize,
    request: Request<Body>,
    known: &mut Option<Client>,
) -> Result<Answer, Problem> {
    let service = &front.service;
    let lost = || Problem::new(INTERNAL, "the request lost its way");
    let route = service.routes.get(place).ok_or_else(lost)?;
    let (head, body) = request.into_parts();
    let peer = *head.extensions.get::<Peer>().ok_or_else(lost)?;
    let key = match gate(front, route, peer, &head.headers, known).await {
        Ok(key) => key,
        Err(problem) => {
            drain(service, body).await;
            return Err(problem);
        }
    };
    let mut bytes = Bytes::new();
    if route.body.is_some() {
        let announced = header(&head.headers, CONTENT_LENGTH.as_str());
        let announced = announced.and_then(|text| text.parse().ok());
        bytes = collect(service, announced, body).await?;
    } else {
        drain(service, body).await;
    }
    let client = known
        .as_ref()
        .map_or_else(String::new, |client| client.name.clone());
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();

    // A permit first: so many operations at a time, and no thread waits for one.
    let patience = service.limits.request_time / 2;
    let permit = timeout(patience, Arc::clone(&front.operations).acquire_owned());
    let Ok(Ok(permit)) = permit.await else {
        return Err(
            Problem::new(BUSY, "too many operations are running; nothing was done").retry_after(1),
        );
    };
    let service = Arc::clone(service);
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let route = service.routes.get(place).ok_or_else(lost)?;
        let call = Call {
            segment: segment(route, &path)?,
            query: route.read_query(&query)?,
            key,
            client: &client,
            body: &bytes,
            service: &service,
        };
        match &call.key {
            Some(key) if route.remembered => {
                let digest = sha256(&[path.as_bytes(), b"\n", &bytes]);
                service.replay.once(key, digest, || (route.run)(&call))
            }
            _ => (route.run)(&call),
        }
    });
    done.await.map_err(|_| {
        tracing::error!("an operation stopped by a panic");
        Problem::new(INTERNAL, "the operation stopped")
    })?
}

/// Everything that can be said before the body is read: who asks, how often, whether it may, and its headers. Gives the
/// idempotency key, where the route demands one.
async fn gate(
    front: &Front,
    route: &Route,
    peer: Peer,
    headers: &HeaderMap,
    known: &mut Option<Client>,
) -> Result<Option<IdempotencyKey>, Problem> {
    let client = find(front, peer).await?;
    known.clone_from(&client);
    let name = client.as_ref().map(|client| client.name.as_str());
    let admitted = front.service.admit(name, peer.address);
    admitted
        .map_err(|seconds| Problem::new(RATE, "the client asks too often").retry_after(seconds))?;
    authorise(route.who, client.as_ref(), peer)?;
    let mut key = None;
    if route.keyed {
        let owner = client.as_ref().map_or("", |client| client.name.as_str());
        let made = header(headers, "idempotency-key");
        let made = made.and_then(|text| IdempotencyKey::new(owner, text));
        let detail = "the header is missing, or too long, or has other characters";
        key = Some(made.ok_or_else(|| Problem::new(KEY_MISSING, detail))?);
    }
    if route.body.is_some() {
        let media = header(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            let detail = "the header Content-Type says something else, or nothing";
            return Err(Problem::new(MEDIA, detail));
        }
    }
    Ok(key)
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The client whose certificate was shown, revoked or not.
async fn find(front: &Front, peer: Peer) -> Result<Option<Client>, Problem> {
    let Some(fingerprint) = peer.certificate else {
        return Ok(None);
    };
    let service = Arc::clone(&front.service);
    let found = tokio::task::spawn_blocking(move || service.register.find(&fingerprint)).await;
    Ok(found.map_err(|_| Problem::new(INTERNAL, "the register of clients stopped"))??)
}

fn authorise(who: Who, client: Option<&Client>, peer: Peer) -> Result<(), Problem> {
    if who == Who::Anyone {
        return Ok(());
    }
    let Some(client) = client else {
        return Err(Problem::new(
            UNENROLLED,
            match peer.certificate {
                Some(_) => "the client certificate is not in the register",
                None => "the client showed no certificate",
            },
        ));
    };
    if client.revoked.is_some() {
        return Err(Problem::new(
            REVOKED_CLIENT,
            format!("{} was revoked", client.name),
        ));
    }
    if !who.admits(client.role) {
        let words = match who {
            Who::Station => "a station",
            Who::Reader => "an operator or auditor",
            _ => "an operator",
        };
        return Err(Problem::new(
            WRONG_ROLE,
            format!("the route is for {words}"),
        ));
    }
    Ok(())
}

/// The whole body, within its time and size.
async fn collect(service: &Service, announced: Option<u64>, body: Body) -> Result<Bytes, Problem> {
    let limit = service.limits.body_bytes;
    let too_large = || Problem::new(TOO_LARGE, format!("a body has at most {limit} bytes"));
    let most = u64::try_from(limit.saturating_mul(PATIENCE)).unwrap_or(u64::MAX);
    if announced.is_some_and(|bytes| bytes > most) {
        return Err(too_large());
    }
    match timeout(service.limits.body_time, read(body, limit)).await {
        Err(_) => Err(Problem::new(TIMEOUT, "the body did not arrive in time")),
        Ok(Ok(Some(all))) => Ok(all.into()),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(MALFORMED, "the body ends in the middle")),
    }
}

/// Reads a body that nobody needs: an answer to someone who is still sending would be lost with the connection, and so would the next
/// request on it.
async fn drain(service: &Service, body: Body) {
    let all = read(body, service.limits.body_bytes);
    let _ = timeout(service.limits.body_time, all).await; // too long, or broken off: the connection ends with the answer
}

/// How many times the limit is read before the connection is cut: who sends a little too much hears why.
const PATIENCE: usize = 4;

/// The body; `None` when it has more than `limit` bytes.
async fn read(mut body: Body, limit: usize) -> Result<Option<Vec<u8>>, axum::Error> {
    let (mut all, mut length) = (Vec::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue; // trailers say nothing here
        };
        length = length.saturating_add(data.len());
        if length > limit.saturating_mul(PATIENCE) {
            break;
        }
        if length <= limit {
            all.extend_from_slice(&data);
        }
    }
    Ok((length <= limit).then_some(all))
}

/// The variable part of the path. Ids and names need no percent signs.
fn segment<'p>(route: &Route, path: &'p str) -> Result<Option<&'p str>, Problem> {
    if variable(route.path).is_none() {
        return Ok(None);
    }
    let segment = path.rsplit('/').next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !(1..=64).contains(&segment.len()) || !segment.bytes().all(plain) {
        let detail = "the path: names and ids are 1 to 64 letters, digits, `-` or `_`";
        return Err(Problem::new(MALFORMED, detail));
    }
    Ok(Some(segment))
}

fn respond(result: Result<Answer, Problem>, id: &str) -> Response<Body> {
    let mut retry = None;
    let answer = result.unwrap_or_else(|mut problem| {
        problem.request = Some(id.into());
        retry = problem.retry_after;
        Answer {
            status: problem.status,
            media: problem::MEDIA_TYPE,
            body: serde_json::to_vec(&problem).unwrap_or_default(), // text and numbers: cannot fail
        }
    });
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if answer.status != 204 {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.media));
    }
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    if [TIMEOUT.1, TOO_LARGE.1].contains(&answer.status) {
        headers.insert(CONNECTION, HeaderValue::from_static("close")); // the rest of the body is not read
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-request-id", id);
    }
    if let Some(seconds) = retry {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn verb(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    }
}
