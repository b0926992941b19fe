//! One operation of the API as it is registered and described.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::Method;
use utoipa::ToSchema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, Type as JsonType};

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

/// A type of `wire` with the schemas it needs, or a page of a list of it.
#[derive(Clone, Copy)]
pub(crate) struct Type {
    name: fn() -> Cow<'static, str>,
    schema: fn() -> RefOr<Schema>,
    others: fn(&mut Vec<(String, RefOr<Schema>)>),
    is_list: bool,
}

impl Type {
    pub(crate) fn of<T: ToSchema>() -> Self {
        Self {
            name: T::name,
            schema: T::schema,
            others: T::schemas,
            is_list: false,
        }
    }

    fn list_of<T: ToSchema>() -> Self {
        Self {
            is_list: true,
            ..Self::of::<T>()
        }
    }

    /// The name of its schema.
    pub(crate) fn name(self) -> String {
        let list = if self.is_list { "List" } else { "" };
        format!("{}{list}", (self.name)())
    }

    /// Adds its schema and those it refers to.
    pub(crate) fn collect(self, schemas: &mut BTreeMap<String, RefOr<Schema>>) {
        let mut others = Vec::new();
        (self.others)(&mut others);
        schemas.extend(others);
        schemas.insert((self.name)().into_owned(), (self.schema)());
        if self.is_list {
            schemas.insert(self.name(), self.list().into());
        }
    }

    /// `wire::List` of this type: generic types have no schema of their own.
    fn list(self) -> Schema {
        let item = Ref::from_schema_name((self.name)());
        let text_or_null = SchemaType::from_iter([JsonType::String, JsonType::Null]);
        let next = ObjectBuilder::new()
            .schema_type(text_or_null)
            .description(Some("`cursor` of the next page; null on the last one"));
        ObjectBuilder::new()
            .description(Some("A page of a list."))
            .property("items", ArrayBuilder::new().items(item))
            .required("items")
            .property("next", next)
            .required("next")
            .into()
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

    /// A page of a list of `T`.
    pub(crate) fn gives_list<T: ToSchema>(mut self, status: u16, meaning: &'static str) -> Self {
        let body = Some(Type::list_of::<T>());
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
