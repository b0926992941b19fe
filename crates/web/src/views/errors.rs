//! When something went wrong: what happened, what is safe, what to do, one button.

use std::borrow::Cow;

use askama::Template;

use super::filters;

/// A whole page for a refusal or failure.
#[derive(Template, Clone, Debug)]
#[template(path = "errors/error.html")]
pub struct ErrorPage {
    pub(crate) status: u16,
    icon: &'static str,
    title: &'static str,
    what: Cow<'static, str>,
    safe_facts: &'static str,
    advice: Cow<'static, str>,
    action: &'static str,
    action_href: Cow<'static, str>,
    reference: Option<String>,
}

impl ErrorPage {
    fn new(status: u16, icon: &'static str, title: &'static str) -> Self {
        Self {
            status,
            icon,
            title,
            what: Cow::Borrowed(""),
            safe_facts: "Nothing was changed.",
            advice: Cow::Borrowed(""),
            action: "Back to the house",
            action_href: Cow::Borrowed("/"),
            reference: None,
        }
    }

    /// The status it is sent with.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// 404: absent and forbidden rooms look the same.
    #[must_use]
    pub fn not_found() -> Self {
        Self {
            what: "No page is at this address, or it is not for you to see.".into(),
            advice: "The link may be old or mistyped. The rooms you are in are a step away.".into(),
            ..Self::new(404, "compass", "Nothing here")
        }
    }

    /// 403, with the reason as a sentence.
    #[must_use]
    pub fn forbidden(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            what: reason.into(),
            advice: "If you should be able to do this, ask the room’s owner or an administrator."
                .into(),
            ..Self::new(403, "lock", "You may not do that")
        }
    }

    /// 429, with the seconds of `Retry-After`.
    #[must_use]
    pub fn too_many(retry_after_s: u64) -> Self {
        Self {
            what: "That was more than the house takes from one person or address in a short time."
                .into(),
            advice: format!("Wait {}, then try again.", duration(retry_after_s)).into(),
            ..Self::new(429, "clock", "A little slower, please")
        }
    }

    /// 503: overloaded, starting, stopping, or storage does not answer.
    #[must_use]
    pub fn unavailable() -> Self {
        Self {
            what: "The house cannot answer at the moment: it is starting, stopping or busy.".into(),
            safe_facts: "What was sent and confirmed is stored.",
            advice: "Try again in a few seconds.".into(),
            action: "Try again",
            ..Self::new(503, "refresh-cw", "Back in a moment")
        }
    }

    /// 507: the disk is full.
    #[must_use]
    pub fn storage_full() -> Self {
        Self {
            what: "The disk of this house is full, so nothing new can be stored.".into(),
            safe_facts: "What was stored before is safe and can be read.",
            advice: "Tell the administrator; keep a copy of what you typed.".into(),
            ..Self::new(507, "triangle-alert", "No space left")
        }
    }

    /// 413: a form larger than any form here.
    #[must_use]
    pub fn too_large() -> Self {
        Self {
            what: "What was sent is larger than this address takes.".into(),
            advice: "Go back and shorten it.".into(),
            ..Self::new(413, "triangle-alert", "Too large")
        }
    }

    /// 421: a host name this house does not answer to.
    #[must_use]
    pub fn wrong_host() -> Self {
        Self {
            what: "This house does not answer to the name in the address bar.".into(),
            advice: "Use its usual address; an administrator can allow others \
                     (PARLOUR_ALLOWED_HOSTS)."
                .into(),
            ..Self::new(421, "house", "Wrong door")
        }
    }

    /// 403: a form that came from another site.
    #[must_use]
    pub fn cross_site() -> Self {
        Self {
            what: "The request came from another site, so it was not carried out.".into(),
            advice: "If you meant it, open the page here and do it again.".into(),
            ..Self::new(403, "shield", "Not from here")
        }
    }

    /// 410: a password-reset link that was used, replaced or is too old.
    #[must_use]
    pub fn reset_invalid() -> Self {
        Self {
            what: "This link was used already, replaced by a newer one, or is too old.".into(),
            safe_facts: "Your password is as it was.",
            advice: "Ask an administrator for a new link.".into(),
            action: "Log in",
            action_href: "/login/".into(),
            ..Self::new(410, "key-round", "The link is worn out")
        }
    }

    /// 400: a request no page of ours makes.
    #[must_use]
    pub fn bad_request(what: impl Into<Cow<'static, str>>) -> Self {
        Self {
            what: what.into(),
            advice: "Go back, reload the page and try again.".into(),
            ..Self::new(400, "triangle-alert", "That made no sense")
        }
    }

    /// 500, with the reference under which the log has the cause.
    #[must_use]
    pub fn internal(reference: impl Into<String>) -> Self {
        Self {
            what: "Something in the house broke while it did this.".into(),
            safe_facts: "What was sent and confirmed is stored.",
            advice: "Try again; if it happens again, give the reference to the administrator."
                .into(),
            reference: Some(reference.into()),
            ..Self::new(500, "triangle-alert", "Our fault")
        }
    }

    /// The same page with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same page with another button, e.g. back to the room.
    #[must_use]
    pub fn with_action(mut self, action: &'static str, href: impl Into<Cow<'static, str>>) -> Self {
        self.action = action;
        self.action_href = href.into();
        self
    }
}

/// `90` becomes "2 minutes": rounded up, so that the wait is long enough.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0 | 1 => "a second".into(),
        2..=59 => format!("{seconds} seconds"),
        60 => "a minute".into(),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// A refusal for htmx: shown where the request came from.
#[derive(Template)]
#[template(path = "parts/refusal.html")]
pub struct RefusalFragment<'a> {
    /// Stable word, as in the API.
    pub code: &'a str,
    /// The sentence.
    pub text: &'a str,
}
