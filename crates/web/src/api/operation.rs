//! One operation of the API as it is registered and described.

use http::Method;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::routes::Who;

/// One operation of the API.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) who: Who,
    /// Stable name for generated clients.
    pub(crate) id: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) detail: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) request: Option<Type>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) codes: Vec<&'static str>,
}

/// A query parameter or header.
#[derive(Clone)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) is_header: bool,
    pub(crate) is_integer: bool,
    pub(crate) meaning: &'static str,
}

/// An answer that is no refusal.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) meaning: &'static str,
    pub(crate) body: Option<Type>,
}

/// A type of `wire` with the schemas it needs.
#[derive(Clone, Copy)]
pub(crate) struct Type {
    pub(crate) name: fn() -> std::borrow::Cow<'static, str>,
    pub(crate) schema: fn() -> RefOr<Schema>,
    pub(crate) others: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Type {
    pub(crate) fn of<T: ToSchema + PartialSchema>() -> Self {
        Self {
            name: T::name,
            schema: T::schema,
            others: T::schemas,
        }
    }
}

impl Operation {
    pub(crate) fn new(
        method: Method,
        path: &'static str,
        who: Who,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let codes = match who {
            Who::Anyone => vec!["invalid"],
            Who::Administrator => vec!["invalid", "unauthorized", "forbidden", "not_found"],
            _ => vec!["invalid", "unauthorized", "forbidden"],
        };
        Self {
            method,
            path,
            who,
            id,
            tag: "",
            summary,
            detail: "",
            parameters: Vec::new(),
            request: None,
            answers: Vec::new(),
            codes,
        }
    }

    pub(crate) fn get(
        path: &'static str,
        who: Who,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self::new(Method::GET, path, who, id, summary)
    }

    pub(crate) fn post(
        path: &'static str,
        who: Who,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self::new(Method::POST, path, who, id, summary)
    }

    pub(crate) fn put(
        path: &'static str,
        who: Who,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self::new(Method::PUT, path, who, id, summary)
    }

    pub(crate) fn patch(
        path: &'static str,
        who: Who,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self::new(Method::PATCH, path, who, id, summary)
    }

    pub(crate) fn delete(
        path: &'static str,
        who: Who,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self::new(Method::DELETE, path, who, id, summary)
    }

    pub(crate) fn tag(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    pub(crate) fn detail(mut self, detail: &'static str) -> Self {
        self.detail = detail;
        self
    }

    pub(crate) fn text(self, name: &'static str, meaning: &'static str) -> Self {
        self.parameter(name, false, false, meaning)
    }

    pub(crate) fn integer(self, name: &'static str, meaning: &'static str) -> Self {
        self.parameter(name, false, true, meaning)
    }

    pub(crate) fn header(self, name: &'static str, meaning: &'static str) -> Self {
        self.parameter(name, true, false, meaning)
    }

    /// `limit` and `cursor`.
    pub(crate) fn paged(self) -> Self {
        self.integer("limit", "items in a page, 1 to 100; 50 when absent")
            .text(
                "cursor",
                "`next` of the page before; it belongs to this list alone",
            )
    }

    fn parameter(
        mut self,
        name: &'static str,
        is_header: bool,
        is_integer: bool,
        meaning: &'static str,
    ) -> Self {
        self.parameters.push(Parameter {
            name,
            is_header,
            is_integer,
            meaning,
        });
        self
    }

    pub(crate) fn takes<T: ToSchema>(mut self) -> Self {
        self.request = Some(Type::of::<T>());
        self.codes.extend([
            "payload_too_large",
            "unsupported_media_type",
            "request_timeout",
        ]);
        self
    }

    pub(crate) fn gives<T: ToSchema>(mut self, status: u16, meaning: &'static str) -> Self {
        let body = Some(Type::of::<T>());
        self.answers.push(Answer {
            status,
            meaning,
            body,
        });
        self
    }

    pub(crate) fn gives_nothing(mut self, status: u16, meaning: &'static str) -> Self {
        self.answers.push(Answer {
            status,
            meaning,
            body: None,
        });
        self
    }

    pub(crate) fn refuses(mut self, codes: &[&'static str]) -> Self {
        self.codes.extend(codes);
        self
    }
}
