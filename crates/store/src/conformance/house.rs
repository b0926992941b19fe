//! Epoch, audit trail, notices, jobs.

use std::sync::Arc;

use domain::{Epoch, Time};

use super::scene::Scene;
use crate::{Audit, Job, JobKind, NoticeKind, PageAnchor, Store, StoreError};

fn entry(actor: Option<domain::UserId>, subject: &str) -> Audit {
    Audit {
        actor,
        action: "user.deactivated",
        subject: subject.to_owned(),
        details: r#"{"from":"active"}"#.to_owned(),
        address: "192.0.2.1".to_owned(),
        at: Time(7),
    }
}

pub async fn the_epoch_stays_until_it_is_renewed(store: Arc<dyn Store>) {
    let first = store.epoch().await.unwrap();
    assert_eq!(store.epoch().await.unwrap(), first);
    for renewed in [Epoch(u64::MAX), Epoch(1)] {
        store.renew_epoch(renewed).await.unwrap();
        assert_eq!(store.epoch().await.unwrap(), renewed);
        let page = store
            .room_page(super::scene::LOBBY, PageAnchor::Newest, 1)
            .await
            .unwrap();
        assert_eq!(page.epoch, renewed);
    }
}

pub async fn audited_acts_come_back_newest_first_in_pages(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let store = &scene.store;
    store
        .audit(&entry(Some(scene.ada.id), "user 1"))
        .await
        .unwrap();
    store.audit(&entry(None, "user 2")).await.unwrap();
    store.audit(&entry(None, "user 3")).await.unwrap();
    let page = store.audit_entries(None, 2).await.unwrap();
    let subjects: Vec<_> = page.iter().map(|entry| entry.subject.as_str()).collect();
    assert_eq!(subjects, ["user 3", "user 2"]);
    let rest = store.audit_entries(Some(page[1].id), 2).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].actor.as_deref(), Some("Ada"));
    assert_eq!(rest[0].action, "user.deactivated");
    assert_eq!(rest[0].details, r#"{"from":"active"}"#);
    assert_eq!(
        (rest[0].address.as_str(), rest[0].at),
        ("192.0.2.1", Time(7))
    );
}

pub async fn notices_come_after_an_id_oldest_first(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let store = &scene.store;
    assert_eq!(store.notices_after(0).await.unwrap(), (vec![], 0));
    let changed = NoticeKind::UserChanged(scene.bob.id);
    store.add_notice(changed, Time(1)).await.unwrap();
    store
        .add_notice(NoticeKind::HistoryChanged, Time(2))
        .await
        .unwrap();
    let (notices, newest) = store.notices_after(0).await.unwrap();
    let kinds: Vec<_> = notices.iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds, [changed, NoticeKind::HistoryChanged]);
    assert_eq!(newest, notices[1].id);
    let (later, newest) = store.notices_after(notices[0].id).await.unwrap();
    assert_eq!(later, notices[1..]);
    assert_eq!(store.notices_after(newest).await.unwrap(), (vec![], newest));
}

pub async fn old_notices_go_and_their_ids_stay_used(store: Arc<dyn Store>) {
    const MONTH_MS: i64 = 30 * 24 * 60 * 60 * 1000;
    store
        .add_notice(NoticeKind::HistoryChanged, Time(0))
        .await
        .unwrap();
    let (old, _) = store.notices_after(0).await.unwrap();
    store
        .add_notice(NoticeKind::HistoryChanged, Time(MONTH_MS))
        .await
        .unwrap();
    let (notices, newest) = store.notices_after(0).await.unwrap();
    assert_eq!(notices.len(), 1);
    assert!(newest > old[0].id);
}

pub async fn own_writes_are_not_changes_from_outside(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    scene.store.changed_outside().await.unwrap();
    scene.post(super::scene::LOBBY, scene.ada.id, "hello").await;
    scene.log(super::scene::LOBBY).await;
    assert!(!scene.store.changed_outside().await.unwrap());
}

pub async fn a_closed_store_answers_unavailable(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    scene.store.ready().await.unwrap();
    scene.store.close().await;
    scene.store.close().await;
    let read = scene.store.ready().await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    let write = scene.store.renew_epoch(Epoch(1)).await;
    assert!(
        matches!(write, Err(StoreError::Unavailable(_))),
        "{write:?}"
    );
}

pub async fn a_job_is_taken_when_it_is_due_and_by_one_worker(store: Arc<dyn Store>) {
    let id = store
        .add_job(JobKind::Recompile, r#"{"after":0}"#, Time(100))
        .await
        .unwrap();
    assert_eq!(store.take_job(Time(99), 10).await.unwrap(), None);
    let expected = Job {
        id,
        kind: JobKind::Recompile,
        payload: r#"{"after":0}"#.into(),
        attempts: 0,
    };
    assert_eq!(store.take_job(Time(100), 10).await.unwrap(), Some(expected));
    assert_eq!(store.take_job(Time(105), 10).await.unwrap(), None);
}

pub async fn a_job_whose_lease_ended_comes_back_until_it_is_finished(store: Arc<dyn Store>) {
    let id = store
        .add_job(JobKind::Recompile, "{}", Time(0))
        .await
        .unwrap();
    store.take_job(Time(0), 10).await.unwrap().unwrap();
    let again = store.take_job(Time(10), 10).await.unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (id, 1));
    store.retry_job(id, Time(500)).await.unwrap();
    assert_eq!(store.take_job(Time(499), 10).await.unwrap(), None);
    let third = store.take_job(Time(500), 10).await.unwrap().unwrap();
    assert_eq!(third.attempts, 2);
    store.finish_job(id).await.unwrap();
    assert_eq!(store.take_job(Time(9_999), 10).await.unwrap(), None);
}

pub async fn jobs_are_taken_in_the_order_they_are_due(store: Arc<dyn Store>) {
    for (payload, due) in [("late", 30), ("early", 10), ("middle", 20)] {
        store
            .add_job(JobKind::Recompile, payload, Time(due))
            .await
            .unwrap();
    }
    let mut taken = Vec::new();
    while let Some(job) = store.take_job(Time(50), 1_000).await.unwrap() {
        taken.push(job.payload);
    }
    assert_eq!(taken, ["early", "middle", "late"]);
}
