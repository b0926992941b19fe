//! The description of the API: OpenAPI 3.1 from the registered operations and the schemas
//! of `wire`. The copy in `docs/openapi.json` is compared by a test.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, Method};
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response as Described, ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, Ref,
    RefOr, Required, Schema, Type as JsonType,
};

use super::operation::{Operation, Type};
use crate::problem::CODES;
use crate::routes::{Routes, Who};

/// What one address or person may do at most; P14 of the promises.
pub(super) const LIMITS: &[(&str, &str)] = &[
    ("messages and edits of a person", "5 a second, 10 at once"),
    ("messages in a room", "50 a second, 100 at once"),
    (
        "other changes of a person (receipts, joins, deletions …)",
        "20 a second, 60 at once",
    ),
    (
        "failed sign-ins",
        "5 per 15 minutes and account, 100 per 15 minutes and address, 100 in a row per account",
    ),
    ("sign-ups", "20 an hour and address"),
    ("tokens, sessions of a person", "100 each"),
    ("rooms made by a person", "1,000"),
    ("requests of a person at work", "8; 64 more wait their turn"),
    ("sockets", "16 per person, 1,024 per address"),
    (
        "a text frame from a client",
        "64 KiB, or 12 bytes per allowed character of a message and 4 KiB, if that is more",
    ),
    (
        "unanswered posts of a socket",
        "256; it is read on when some are answered",
    ),
    (
        "refused frames of a socket",
        "100, then it is closed with 1008",
    ),
    (
        "a message",
        "1,000 characters unless the operator chose another number (1 to 40,000)",
    ),
    ("a room's name, topic", "80, 250 characters"),
    (
        "a username, display name, password",
        "2 to 32, 1 to 64, 8 to 400 characters",
    ),
    ("a request's head", "16 KiB, 100 headers, 100 cookies; 10 s"),
    (
        "a request's body",
        "1 MiB; at least 1 KiB a second, 60 s in all",
    ),
    ("a page of a list", "100 items"),
    ("JSON", "32 levels deep"),
];

/// The description of the API as JSON, indented, with a line end.
#[must_use]
pub fn openapi_json() -> String {
    let routes = super::operations(Routes::default());
    // A tree of strings always serialises.
    let mut text = serde_json::to_string_pretty(&describe(routes.operations())).unwrap_or_default();
    text.push('\n');
    text
}

/// `GET /api/openapi.json`.
pub(super) async fn document(headers: HeaderMap) -> Response {
    static DOCUMENT: OnceLock<(String, String)> = OnceLock::new();
    let (text, etag) = DOCUMENT.get_or_init(|| {
        let text = openapi_json();
        let etag = format!("\"{:08x}\"", crc32fast::hash(text.as_bytes()));
        (text, etag)
    });
    let answer = [
        (CACHE_CONTROL, "public, no-cache"),
        (http::header::ETAG, etag.as_str()),
    ];
    if crate::embedded::has_etag(&headers, etag) {
        return (http::StatusCode::NOT_MODIFIED, answer).into_response();
    }
    (answer, [(CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// The operations of the API, for the page that shows them.
pub(super) fn all() -> Vec<Operation> {
    super::operations(Routes::default()).operations().to_vec()
}

fn describe(operations: &[Operation]) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut schemas: BTreeMap<String, RefOr<Schema>> = BTreeMap::new();
    Type::of::<wire::Problem>().collect(&mut schemas);
    // Not in any body of REST, but the other half of the contract.
    Type::of::<wire::ClientOp>().collect(&mut schemas);
    Type::of::<wire::ServerEvent>().collect(&mut schemas);
    let mut tags: Vec<&str> = Vec::new();
    for operation in operations {
        for one in operation
            .request
            .iter()
            .chain(operation.answers.iter().filter_map(|a| a.body.as_ref()))
        {
            one.collect(&mut schemas);
        }
        if !tags.contains(&operation.tag) {
            tags.push(operation.tag);
        }
        paths = paths.path(operation.path, path_item(operation));
    }
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme(
            "token",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some("a token of `POST /api/v1/tokens`"))
                    .build(),
            ),
        )
        .security_scheme(
            "session",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                "parlour",
                "a browser's session, from this site alone; named `__Host-parlour` by https",
            ))),
        )
        .build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Parlour")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(description()))
                .build(),
        )
        .paths(paths.build())
        .components(Some(components))
        .tags(Some(
            tags.into_iter()
                .map(|tag| TagBuilder::new().name(tag).build()),
        ))
        .build()
}

/// What holds for every operation.
fn description() -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "REST API of Parlour, and at `/api/v1/socket` the same as live JSON.\n\n\
         Unknown fields of a body and unknown query parameters are refused. Times are RFC 3339 \
         in UTC. Refusals are `application/problem+json` with a stable `code`; 429 and 503 carry \
         `Retry-After`. Lists are pages: pass `next` back as `cursor` until it is null.\n\n\
         ## Codes\n\n| Code | Status | When |\n| --- | --- | --- |\n",
    );
    for code in CODES {
        let status = match code.status {
            0 => "–".to_owned(),
            status => status.to_string(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{}` | {status} | {} |", code.word, code.meaning);
    }
    text.push_str("\n## Limits\n\n| What | At most |\n| --- | --- |\n");
    for (what, limit) in LIMITS {
        let _ = writeln!(text, "| {what} | {limit} |");
    }
    text
}

fn path_item(operation: &Operation) -> PathItem {
    let mut described = OperationBuilder::new()
        .operation_id(Some(operation.id))
        .tag(operation.tag)
        .summary(Some(operation.summary))
        .parameters(Some(parameters(operation)));
    if !operation.detail.is_empty() {
        described = described.description(Some(operation.detail));
    }
    if operation.who != Who::Anyone {
        described = described
            .security(SecurityRequirement::new::<_, [&str; 0], &str>("token", []))
            .security(SecurityRequirement::new::<_, [&str; 0], &str>(
                "session",
                [],
            ));
    }
    if let Some(request) = operation.request {
        let content = ContentBuilder::new()
            .schema(Some(reference(request)))
            .build();
        described = described.request_body(Some(
            RequestBodyBuilder::new()
                .content("application/json", content)
                .required(Some(Required::True))
                .build(),
        ));
    }
    let mut answers = ResponsesBuilder::new();
    for answer in &operation.answers {
        let mut described = ResponseBuilder::new().description(answer.meaning);
        if let Some(body) = answer.body {
            let content = ContentBuilder::new().schema(Some(reference(body))).build();
            described = described.content("application/json", content);
        }
        answers = answers.response(answer.status.to_string(), described.build());
    }
    for (status, refusal) in refusals(operation) {
        answers = answers.response(status.to_string(), refusal);
    }
    let method = match operation.method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    };
    PathItem::new(method, described.responses(answers.build()).build())
}

fn parameters(operation: &Operation) -> Vec<Parameter> {
    let named = operation.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        let kind = if name == "id" {
            JsonType::Integer
        } else {
            JsonType::String
        };
        Some(
            parameter(name, ParameterIn::Path, kind)
                .required(Required::True)
                .build(),
        )
    });
    let given = operation.parameters.iter().map(|given| {
        let place = if given.is_header {
            ParameterIn::Header
        } else {
            ParameterIn::Query
        };
        let kind = if given.is_integer {
            JsonType::Integer
        } else {
            JsonType::String
        };
        parameter(given.name, place, kind)
            .required(Required::False)
            .description(Some(given.meaning))
            .build()
    });
    named.chain(given).collect()
}

fn parameter(name: &str, place: ParameterIn, kind: JsonType) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .schema(Some(ObjectBuilder::new().schema_type(kind)))
}

fn reference(body: Type) -> Ref {
    Ref::from_schema_name(body.name())
}

/// Refusals by status, with their codes.
fn refusals(operation: &Operation) -> BTreeMap<u16, Described> {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    let everywhere = ["setup_required", "internal"];
    for word in operation.codes.iter().chain(&everywhere) {
        let Some(code) = CODES.iter().find(|code| code.word == *word) else {
            continue;
        };
        let words = by_status.entry(code.status).or_default();
        if !words.contains(&code.word) {
            words.push(code.word);
        }
    }
    let described = by_status.into_iter().map(|(status, words)| {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .build();
        let refusal = ResponseBuilder::new()
            .description(words.join(", "))
            .content("application/problem+json", content)
            .build();
        (status, refusal)
    });
    described.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::Value;

    use super::{all, openapi_json};
    use crate::problem::CODES;

    #[test]
    fn the_checked_in_copy_is_this_document() {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        if std::env::var_os("PARLOUR_UPDATE_OPENAPI").is_some() {
            std::fs::write(&place, openapi_json()).unwrap();
        }
        let copy = std::fs::read_to_string(&place).unwrap_or_default();
        assert!(
            copy == openapi_json(),
            "docs/openapi.json is old: run PARLOUR_UPDATE_OPENAPI=1 cargo test -p web openapi"
        );
    }

    #[test]
    fn every_route_is_described_and_every_description_is_a_route() {
        let document: Value = serde_json::from_str(&openapi_json()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let routes: BTreeSet<String> = crate::routes()
            .into_iter()
            .filter(|route| route.path.starts_with("/api/v1/"))
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        assert_eq!(described, routes);
    }

    #[test]
    fn references_lead_somewhere_and_codes_are_listed() {
        let text = openapi_json();
        let document: Value = serde_json::from_str(&text).unwrap();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
        for operation in all() {
            assert!(!operation.tag.is_empty(), "{}", operation.id);
            assert!(!operation.answers.is_empty(), "{}", operation.id);
            for word in operation.codes {
                assert!(CODES.iter().any(|code| code.word == word), "{word}");
            }
        }
        let description = document["info"]["description"].as_str().unwrap();
        for code in CODES {
            assert!(description.contains(&format!("`{}`", code.word)));
        }
        for name in [
            "Token",
            "TokenList",
            "Message",
            "MessageList",
            "ServerEventList",
        ] {
            assert!(schemas.contains_key(name), "{name}");
        }
        let ids: BTreeSet<&str> = all().iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), all().len());
    }
}
