//! The cases every backend must pass: small, named, over `&dyn Store` alone.
//!
//! A backend's tests run each case on a fresh, migrated, empty store (the lobby is there,
//! nobody else). [`conformance_cases!`](crate::conformance_cases) hands the list to a macro
//! of the caller, so that each case is a test of its own; [`cases`] hands it out as values.
//! What a newcomer would get wrong: nothing here may know a backend. What a case needs, it
//! makes through the traits, because what callers cannot do proves nothing to them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests that other crates' tests run; the names are the documentation"
)]

pub mod history;
pub mod house;
pub mod members;
pub mod messages;
pub mod people;
pub mod races;
pub mod rooms;
mod scene;
pub mod sessions;
pub mod transfer;
pub mod unread;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::Store;

/// A running case.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One case: a sentence, and what proves it. It panics when the store is wrong.
#[derive(Clone, Copy)]
pub struct Case {
    /// Feature and sentence, e.g. `messages::a_repeated_nonce_returns_the_first_message`.
    pub name: &'static str,
    /// Runs it on a fresh store.
    pub run: fn(Arc<dyn Store>) -> Running,
}

macro_rules! list {
    ($($feature:ident { $($case:ident)+ })+) => {
        /// Every case, in the order of the features.
        #[must_use]
        pub fn cases() -> Vec<Case> {
            vec![$($(Case {
                name: concat!(stringify!($feature), "::", stringify!($case)),
                run: |store| Box::pin($feature::$case(store)),
            }),+),+]
        }
    };
}

crate::conformance_cases!(list);

/// Calls the macro named with `feature { case case … }` for every feature.
#[macro_export]
macro_rules! conformance_cases {
    ($callback:ident) => {
        $callback! {
            people {
                an_empty_house_has_no_owner_and_one_is_enough
                nobody_can_be_made_before_the_owner
                a_second_owner_is_refused
                a_taken_skeleton_is_refused_and_nothing_is_left_behind
                a_taken_address_is_refused_whatever_its_case
                an_address_can_be_removed_and_taken_by_another
                a_new_person_is_in_the_lobby_with_an_event
                people_are_found_by_id_and_skeleton
                credentials_hold_the_hash_and_the_account
                people_are_listed_by_id_in_pages
                people_are_found_without_regard_to_case_in_any_script
                a_new_display_name_shows_beside_old_messages
                a_change_of_nobody_is_not_found
                the_last_owner_stays_owner_and_active
                what_is_done_to_a_person_is_written_down_with_it_or_not_at_all
                a_closed_owner_does_not_count_as_another_owner
                a_new_password_ends_all_but_the_session_kept
                a_ban_ends_every_session_and_token_also_the_one_to_keep
                a_reset_link_works_once
                a_reset_link_expires_and_is_replaced_by_a_newer_one
                failed_sign_ins_are_counted_by_account_and_address
                a_successful_sign_in_ends_the_run_in_a_row
                old_failed_sign_ins_are_forgotten_but_not_the_run
            }
            rooms {
                the_lobby_is_room_one_and_open
                facts_are_found_by_id_and_slug_with_the_membership
                a_new_room_begins_with_its_owner_joining
                a_taken_slug_gets_the_next_free_number
                a_room_without_a_slug_is_called_by_its_id
                only_active_people_make_rooms
                one_person_makes_at_most_a_thousand_rooms
                a_change_says_what_really_changed_and_keeps_the_slug
                a_change_to_what_is_already_so_is_no_event
                a_room_is_archived_and_brought_back
                a_member_gets_a_role_but_the_last_owner_keeps_theirs
                an_absent_room_cannot_be_changed
                closed_rooms_are_listed_for_their_members_alone
                joined_rooms_are_those_one_is_in
                rooms_are_listed_by_folded_name_in_pages
                rooms_are_found_by_name_and_topic_without_regard_to_case
                the_list_says_when_the_last_message_came
                heads_leave_out_absent_rooms
            }
            members {
                joining_makes_a_member_with_an_event_and_nothing_unread
                joining_twice_is_one_membership
                only_open_rooms_that_are_not_archived_can_be_joined
                a_banned_account_cannot_join
                leaving_ends_the_membership_with_an_event
                the_last_owner_leaves_only_an_empty_room
                the_member_count_follows_joining_and_leaving
                members_are_listed_by_folded_display_name_in_pages
                large_rooms_list_the_same_members_in_the_same_order
                a_receipt_moves_forward_and_never_back
                a_receipt_never_passes_the_head
                strangers_have_no_receipt
                the_unread_marker_is_separate_and_cleared_by_reading
                receipts_say_who_read_a_message_and_when_first
                those_who_joined_later_or_left_have_read_nothing
                rooms_of_over_a_hundred_keep_no_receipts_by_name
            }
            messages {
                a_message_comes_back_as_it_was_posted
                a_sealed_body_is_kept_byte_for_byte
                a_repeated_nonce_returns_the_first_message
                a_nonce_for_another_draft_is_refused
                a_nonce_belongs_to_its_author
                a_retry_after_edit_or_deletion_shows_the_message_as_it_is
                strangers_cannot_post_unless_they_join_an_open_room
                nobody_posts_into_an_archived_or_absent_room
                a_banned_author_cannot_post_edit_or_delete
                a_reply_quotes_the_message_as_it_is_now
                a_reply_needs_an_undeleted_message_of_the_same_room
                an_edit_replaces_the_body_and_keeps_the_earlier_one
                of_many_edits_the_newest_hundred_are_kept
                an_edit_of_another_version_is_stale
                an_edit_to_the_same_words_is_no_event
                only_members_edit_and_only_what_exists
                a_deleted_message_is_a_tombstone_everywhere
                deleting_twice_is_one_event_and_a_tombstone_cannot_be_edited
                facts_of_a_message_hold_room_and_membership
            }
            unread {
                unread_are_others_undeleted_messages_after_the_receipt
                an_edit_makes_nothing_unread_again
                mentions_count_for_those_who_may_read_the_room
                a_mention_in_a_closed_room_reaches_no_stranger_who_joins_another
                guests_are_mentioned_only_where_they_are_members
                an_edit_replaces_the_mentions_and_a_deletion_erases_them
                people_who_are_no_members_are_left_out
                counting_stops_at_a_thousand
                counts_and_list_equal_a_recount_after_any_history
            }
            history {
                the_newest_page_ends_at_the_head
                pages_go_back_to_the_first_message
                pages_go_on_to_the_last_message
                a_page_around_a_message_holds_it_in_the_middle
                an_empty_room_is_an_empty_page
                a_page_is_never_longer_than_two_hundred
                a_page_knows_only_its_own_room
                events_come_after_a_seq_in_order_and_at_most_as_many_as_asked
                every_kind_of_event_reads_as_it_was_published
                replayed_events_show_messages_as_they_are_now
            }
            sessions {
                a_session_is_found_by_its_hash_alone
                a_touched_session_is_listed_first_with_its_new_address
                one_ends_only_ones_own_session
                all_sessions_but_one_end_at_once
                the_session_unused_for_longest_makes_room
                idle_and_old_sessions_expire
                only_active_people_get_sessions_and_tokens
                session_ids_are_never_used_again
                a_token_keeps_its_name_and_scopes
                tokens_are_listed_newest_first_and_say_when_used
                one_deletes_only_ones_own_token
                one_person_has_at_most_a_hundred_tokens
                an_old_password_opens_nothing_behind_its_change
            }
            house {
                the_epoch_stays_until_it_is_renewed
                audited_acts_come_back_newest_first_in_pages
                notices_come_after_an_id_oldest_first
                old_notices_go_and_their_ids_stay_used
                own_writes_are_not_changes_from_outside
                a_closed_store_answers_unavailable
                a_job_is_taken_when_it_is_due_and_by_one_worker
                a_job_whose_lease_ended_comes_back_until_it_is_finished
                jobs_are_taken_in_the_order_they_are_due
            }
            transfer {
                people_can_be_imported_before_there_is_an_owner
                importing_people_again_changes_nothing
                imported_messages_keep_their_times_and_get_gapless_numbers
                importing_messages_again_stores_nothing
                an_imported_author_becomes_a_member_first
                a_batch_with_one_bad_message_stores_none
            }
            races {
                fifty_writers_and_a_poller_see_no_gap_and_no_surprise
                one_nonce_posted_fifty_times_is_one_message
                of_fifty_first_owners_one_is_made
                of_twenty_with_one_name_one_gets_it
                two_owners_demoting_each_other_leave_one
                two_owners_of_a_room_leaving_at_once_leave_one
                of_two_edits_of_one_version_one_is_stale
                a_deletion_wins_against_edits
                nobody_posts_after_having_left
                nobody_posts_after_the_room_was_archived
                receipts_marked_at_once_end_at_the_furthest
                fifty_joining_at_once_are_fifty_members
                one_job_goes_to_one_of_many_workers
                a_caller_that_goes_away_does_not_undo_its_message
            }
        }
    };
}
