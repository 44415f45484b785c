//! Signing up, in and out, on a store of the test's own; the sign-up cut off at each step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::Semaphore;
use vitrine::clock::Clock;
use vitrine::identity::accounts::{AccountError, Accounts, SignUp};
use vitrine::identity::local::LocalAccounts;
use vitrine::identity::token::Tokens;
use vitrine::identity::{AccountId, AccountState, Checked, Identity, IdentityError, NewAccount};
use vitrine::store::Store;
use vitrine::store::users::{Changed, Rights, RightsChange, Session};

use crate::contract_store::{Subject, contract};

const KEY: &str = "a key of the tests, thirty-two bytes and more";
const PASSWORD: &str = "Secret1!";
const EMAIL: &str = "ann@shop.example";
const ADMIN: &str = "boss@shop.example";

/// Local accounts that a test can stop before or behind an account is made, and whose
/// addresses need a proof if the test says so.
struct Held {
    local: LocalAccounts,
    before: Semaphore,
    behind: Semaphore,
    reached: Semaphore,
    proves: bool,
    is_proved: AtomicBool,
}

#[async_trait]
impl Identity for Held {
    async fn create(&self, account: &NewAccount) -> Result<AccountId, IdentityError> {
        self.reached.add_permits(1);
        self.before.acquire().await.unwrap().forget();
        let made = self.local.create(account).await;
        self.reached.add_permits(1);
        self.behind.acquire().await.unwrap().forget();
        made
    }

    async fn check(&self, email: &str, password: &SecretString) -> Result<Checked, IdentityError> {
        let checked = self.local.check(email, password).await?;
        Ok(Checked { is_verified: self.is_proved.load(Ordering::Relaxed), ..checked })
    }

    async fn find(&self, account: &AccountId) -> Result<Option<AccountState>, IdentityError> {
        self.local.find(account).await
    }

    async fn remove(&self, account: &AccountId) -> Result<(), IdentityError> {
        self.local.remove(account).await
    }

    async fn reset_password(&self, email: &str) -> Result<(), IdentityError> {
        self.local.reset_password(email).await
    }

    async fn probe(&self) -> Result<(), IdentityError> {
        self.local.probe().await
    }

    fn trusts_addresses(&self) -> bool {
        !self.proves
    }

    fn is_managed(&self) -> bool {
        true
    }
}

contract!(
    who_signs_up_can_sign_in_and_nobody_else,
    a_sign_up_cut_off_before_its_account_is_taken_away,
    a_sign_up_cut_off_behind_its_account_is_brought_to_its_end,
    who_tries_again_after_a_cut_is_not_kept_waiting_for_long,
    of_two_sign_ups_at_once_one_gets_the_address,
    a_refresh_token_is_good_once_and_a_reused_one_ends_its_family,
    sessions_end_by_time_by_signing_out_and_with_the_user,
    a_listed_address_administers_at_once_where_nobody_could_prove_it,
    a_listed_address_that_is_not_proved_administers_nothing,
    a_listed_address_that_is_proved_administers_with_new_tokens_alone,
    another_password_and_being_shut_out_end_every_token,
    somebody_administers_always,
    users_are_listed_by_pages_and_without_those_that_are_pending,
);

struct Place {
    accounts: Arc<Accounts>,
    held: Arc<Held>,
    store: Arc<dyn Store>,
    clock: Clock,
    _subject: Subject,
}

fn place_that(proves: bool, subject: Subject) -> Place {
    let (store, clock) = (Arc::clone(&subject.store), subject.clock.clone());
    let open = || Semaphore::new(Semaphore::MAX_PERMITS);
    let held = Arc::new(Held {
        local: LocalAccounts::new(Arc::clone(&store)),
        before: open(),
        behind: open(),
        reached: Semaphore::new(0),
        proves,
        is_proved: AtomicBool::new(!proves),
    });
    let tokens = Arc::new(Tokens::new(&SecretString::from(KEY), None, clock.clone()));
    let identity: Arc<dyn Identity> = Arc::<Held>::clone(&held);
    let life = Duration::from_hours(30 * 24);
    let admins = [ADMIN.to_owned()];
    let accounts = Accounts::new(Arc::clone(&store), identity, tokens, &admins, life);
    Place { accounts: Arc::new(accounts), held, store, clock, _subject: subject }
}

fn place(subject: Subject) -> Place {
    place_that(false, subject)
}

fn sign_up(email: &str) -> SignUp {
    SignUp {
        email: email.to_owned(),
        password: SecretString::from(PASSWORD),
        first_name: "Ann".to_owned(),
        last_name: "Lee".to_owned(),
        rights: Rights { active: true, admin: false },
    }
}

fn password() -> SecretString {
    SecretString::from(PASSWORD)
}

impl Place {
    async fn is_refused(&self, email: &str, password: &str) -> bool {
        let tried = self.accounts.sign_in(email, &SecretString::from(password)).await;
        matches!(tried, Err(AccountError::Refused))
    }

    async fn refresh_is_refused(&self, token: &str) -> bool {
        matches!(self.accounts.refresh(token).await, Err(AccountError::Refused))
    }
}

async fn who_signs_up_can_sign_in_and_nobody_else(subject: Subject) {
    let place = place(subject);
    let user = place.accounts.sign_up(sign_up(EMAIL)).await.unwrap();
    let signed_in = place.accounts.sign_in("ANN@shop.example", &password()).await.unwrap();
    assert_eq!(place.accounts.whose(&signed_in.id_token).unwrap().user, user.id);
    assert_eq!(signed_in.expires_in, 3_600);
    for (email, password) in [(EMAIL, "Secret2!"), (EMAIL, ""), ("bob@shop.example", PASSWORD)] {
        assert!(place.is_refused(email, password).await, "{email}");
    }
    let taken = place.accounts.sign_up(sign_up("Ann@Shop.example")).await;
    assert!(matches!(taken, Err(AccountError::EmailTaken)));
}

/// Cut off before the account is made: nothing is left, and the address is free again.
async fn a_sign_up_cut_off_before_its_account_is_taken_away(subject: Subject) {
    let place = place(subject);
    place.held.before.forget_permits(Semaphore::MAX_PERMITS);
    let cut = cut_off(&place, 1).await;
    assert!(cut.is_cancelled());
    let taken = place.accounts.sign_up(sign_up(EMAIL)).await;
    assert!(matches!(taken, Err(AccountError::EmailTaken)), "it might still be under way");
    place.accounts.heal().await.unwrap();
    assert!(place.store.user_by_email(EMAIL).await.unwrap().is_some(), "nor is it healed yet");
    place.clock.turn(Duration::from_secs(61));
    place.accounts.heal().await.unwrap();
    assert!(place.store.user_by_email(EMAIL).await.unwrap().is_none());
    place.held.before.add_permits(10);
    place.accounts.sign_up(sign_up(EMAIL)).await.unwrap();
}

/// Cut off behind it: the user comes to be, by maintenance or by signing in.
async fn a_sign_up_cut_off_behind_its_account_is_brought_to_its_end(subject: Subject) {
    for heals_by_itself in [true, false] {
        let place = place(subject.engine.subject().await);
        place.held.behind.forget_permits(Semaphore::MAX_PERMITS);
        cut_off(&place, 2).await;
        assert!(place.store.user_by_email(EMAIL).await.unwrap().unwrap().is_pending);
        if heals_by_itself {
            place.clock.turn(Duration::from_secs(61));
            place.accounts.heal().await.unwrap();
            assert!(!place.store.user_by_email(EMAIL).await.unwrap().unwrap().is_pending);
        }
        place.accounts.sign_in(EMAIL, &password()).await.unwrap();
        assert!(!place.store.user_by_email(EMAIL).await.unwrap().unwrap().is_pending);
    }
}

/// A second try does not have to wait for maintenance.
async fn who_tries_again_after_a_cut_is_not_kept_waiting_for_long(subject: Subject) {
    let place = place(subject);
    place.held.before.forget_permits(Semaphore::MAX_PERMITS);
    cut_off(&place, 1).await;
    place.held.before.add_permits(10);
    place.clock.turn(Duration::from_secs(61));
    place.accounts.sign_up(sign_up(EMAIL)).await.unwrap();
    place.accounts.sign_in(EMAIL, &password()).await.unwrap();
}

/// Signs up, and cuts that off when the place of accounts was reached so many times.
async fn cut_off(place: &Place, reached: u32) -> tokio::task::JoinError {
    let accounts = Arc::clone(&place.accounts);
    let signing_up = tokio::spawn(async move { accounts.sign_up(sign_up(EMAIL)).await });
    place.held.reached.acquire_many(reached).await.unwrap().forget();
    signing_up.abort();
    signing_up.await.unwrap_err()
}

async fn of_two_sign_ups_at_once_one_gets_the_address(subject: Subject) {
    let place = place(subject);
    let (one, other) = tokio::join!(
        place.accounts.sign_up(sign_up(EMAIL)),
        place.accounts.sign_up(sign_up(EMAIL))
    );
    assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1);
    place.accounts.sign_in(EMAIL, &password()).await.unwrap();
}

async fn a_refresh_token_is_good_once_and_a_reused_one_ends_its_family(subject: Subject) {
    let place = place(subject);
    place.accounts.sign_up(sign_up(EMAIL)).await.unwrap();
    let first = place.accounts.sign_in(EMAIL, &password()).await.unwrap();
    let other = place.accounts.sign_in(EMAIL, &password()).await.unwrap();
    let second = place.accounts.refresh(&first.refresh_token).await.unwrap();
    let third = place.accounts.refresh(&second.refresh_token).await.unwrap();
    assert!(place.refresh_is_refused(&first.refresh_token).await, "it was used");
    assert!(place.refresh_is_refused(&third.refresh_token).await, "and so all of them ended");
    place.accounts.refresh(&other.refresh_token).await.unwrap();
    assert!(place.refresh_is_refused("nonsense").await);
}

async fn sessions_end_by_time_by_signing_out_and_with_the_user(subject: Subject) {
    let place = place(subject);
    let user = place.accounts.sign_up(sign_up(EMAIL)).await.unwrap();
    let sign_in = || async { place.accounts.sign_in(EMAIL, &password()).await.unwrap() };
    let old = sign_in().await;
    place.clock.turn(Duration::from_hours(30 * 24));
    assert!(place.refresh_is_refused(&old.refresh_token).await);
    assert_eq!(place.store.prune_sessions().await.unwrap(), 1);
    let (one, other) = (sign_in().await, sign_in().await);
    place.accounts.sign_out(user.id).await.unwrap();
    assert!(place.refresh_is_refused(&one.refresh_token).await);
    assert!(place.refresh_is_refused(&other.refresh_token).await);
    let last = sign_in().await;
    let off = RightsChange { active: Some(false), ..RightsChange::default() };
    place.store.change_rights(user.id, off).await.unwrap();
    assert!(place.refresh_is_refused(&last.refresh_token).await);
    assert!(place.is_refused(EMAIL, PASSWORD).await, "as for a wrong password");
}

async fn a_listed_address_administers_at_once_where_nobody_could_prove_it(subject: Subject) {
    let place = place(subject);
    let boss = place.accounts.sign_up(sign_up("Boss@Shop.example")).await.unwrap();
    assert!(boss.rights.admin);
    assert!(!place.accounts.sign_up(sign_up(EMAIL)).await.unwrap().rights.admin);
}

async fn a_listed_address_that_is_not_proved_administers_nothing(subject: Subject) {
    let place = place_that(true, subject);
    let boss = place.accounts.sign_up(sign_up(ADMIN)).await.unwrap();
    assert!(!boss.rights.admin);
    place.accounts.sign_in(ADMIN, &password()).await.unwrap();
    assert!(!place.store.user(boss.id).await.unwrap().unwrap().rights.admin);
}

/// Both tokens of the time before end, also of a sign-in that is under way meanwhile; none of
/// the time after does, and the right that was taken away stays away.
async fn a_listed_address_that_is_proved_administers_with_new_tokens_alone(subject: Subject) {
    let place = place_that(true, subject);
    let boss = place.accounts.sign_up(sign_up(ADMIN)).await.unwrap();
    let old = place.accounts.sign_in(ADMIN, &password()).await.unwrap();
    let late = Session {
        token: [7; 32],
        family: uuid::Uuid::from_u128(7),
        user: boss.id,
        epoch: place.accounts.whose(&old.id_token).unwrap().epoch,
        lasts: Duration::from_hours(1),
    };
    place.held.is_proved.store(true, Ordering::Relaxed);
    let new = place.accounts.sign_in(ADMIN, &password()).await.unwrap();
    let row = vitrine::cache::versions::Row::RIGHTS;
    assert!(new.raised.as_ref().unwrap().contains_key(&row));
    let user = place.store.user(boss.id).await.unwrap().unwrap();
    assert!(user.rights.admin);
    let epoch = |token: &str| place.accounts.whose(token).unwrap().epoch;
    assert!(epoch(&old.id_token) < user.epoch);
    assert_eq!(epoch(&new.id_token), user.epoch);
    assert!(place.refresh_is_refused(&old.refresh_token).await);
    assert!(!place.store.keep_session(&late).await.unwrap());
    let again = place.accounts.sign_in(ADMIN, &password()).await.unwrap();
    assert_eq!((epoch(&again.id_token), again.raised), (user.epoch, None));
    let next = place.accounts.refresh(&new.refresh_token).await.unwrap();
    assert_eq!(epoch(&next.id_token), user.epoch);

    let listed = RightsChange { admin: Some(true), active: None, as_listed: true };
    let ann = place.accounts.sign_up(sign_up(EMAIL)).await.unwrap();
    let grant = RightsChange { admin: Some(true), ..RightsChange::default() };
    place.store.change_rights(ann.id, grant).await.unwrap();
    let revoke = RightsChange { admin: Some(false), ..RightsChange::default() };
    place.store.change_rights(boss.id, revoke).await.unwrap();
    place.store.change_rights(boss.id, listed).await.unwrap();
    assert!(!place.store.user(boss.id).await.unwrap().unwrap().rights.admin);
}

async fn another_password_and_being_shut_out_end_every_token(subject: Subject) {
    let place = place(subject);
    let ann = place.accounts.sign_up(sign_up(EMAIL)).await.unwrap();
    let counts = async |token: &str| {
        let epoch = place.accounts.whose(token).unwrap().epoch;
        epoch == place.store.user(ann.id).await.unwrap().unwrap().epoch
    };
    let off = RightsChange { active: Some(false), ..RightsChange::default() };
    let on = RightsChange { active: Some(true), ..RightsChange::default() };
    let old = place.accounts.sign_in(EMAIL, &password()).await.unwrap();
    place.store.change_rights(ann.id, off).await.unwrap();
    place.store.change_rights(ann.id, on).await.unwrap();
    assert!(!counts(&old.id_token).await);
    let old = place.accounts.sign_in(EMAIL, &password()).await.unwrap();
    assert!(counts(&old.id_token).await);
    let row = vitrine::cache::versions::Row::RIGHTS;
    let before = place.store.versions().await.unwrap();
    assert!(place.held.local.change_password(EMAIL, password()).await.unwrap());
    assert!(place.store.versions().await.unwrap()[&row] > before[&row], "whoever knows is told");
    assert!(!counts(&old.id_token).await);
    assert!(place.refresh_is_refused(&old.refresh_token).await);
}

async fn somebody_administers_always(subject: Subject) {
    let place = place(subject);
    let boss = place.accounts.sign_up(sign_up(ADMIN)).await.unwrap();
    let ann = place.accounts.sign_up(sign_up(EMAIL)).await.unwrap();
    let grant = RightsChange { admin: Some(true), ..RightsChange::default() };
    let revoke = RightsChange { admin: Some(false), ..RightsChange::default() };
    let off = RightsChange { active: Some(false), ..RightsChange::default() };
    let change = |id, change| place.store.change_rights(id, change);
    for taken in [revoke, off] {
        assert_eq!(change(boss.id, taken).await.unwrap(), Changed::LastAdministrator);
    }
    let before = place.store.versions().await.unwrap();
    let Changed::Done(ann, after) = change(ann.id, grant).await.unwrap() else { panic!() };
    assert!(ann.rights.admin);
    let row = vitrine::cache::versions::Row::RIGHTS;
    assert!(after[&row] > before[&row], "whoever knows of rights is told");
    assert!(matches!(change(boss.id, revoke).await.unwrap(), Changed::Done(..)));
    assert_eq!(change(ann.id, off).await.unwrap(), Changed::LastAdministrator);
    let nobody = uuid::Uuid::from_u128(1);
    assert_eq!(change(nobody, grant).await.unwrap(), Changed::Unknown);
    // A right that was taken does not come back by signing in.
    place.accounts.sign_in(ADMIN, &password()).await.unwrap();
    assert!(!place.store.user(boss.id).await.unwrap().unwrap().rights.admin);
}

async fn users_are_listed_by_pages_and_without_those_that_are_pending(subject: Subject) {
    let place = place(subject);
    let mut ids = Vec::new();
    for i in 0..3 {
        ids.push(place.accounts.sign_up(sign_up(&format!("u{i}@shop.example"))).await.unwrap().id);
    }
    place.held.before.forget_permits(Semaphore::MAX_PERMITS);
    cut_off_another(&place).await;
    ids.sort_by_key(ToString::to_string);
    let first = place.store.users(None, 2).await.unwrap();
    assert_eq!(first.iter().map(|user| user.id).collect::<Vec<_>>(), ids[..2]);
    let rest = place.store.users(Some(ids[1]), 2).await.unwrap();
    assert_eq!(rest.iter().map(|user| user.id).collect::<Vec<_>>(), ids[2..]);
}

async fn cut_off_another(place: &Place) {
    place.held.reached.forget_permits(Semaphore::MAX_PERMITS);
    cut_off(place, 1).await;
}
