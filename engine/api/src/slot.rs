use std::sync::Arc;

use parking_lot::Mutex;

/// Holds the latest value of something big; a newer one replaces it, so a slow reader never makes a queue.
#[derive(Debug)]
pub struct Slot<T>(Arc<Mutex<Option<Arc<T>>>>);

impl<T> Slot<T> {
    /// Replaces the value.
    pub fn put(&self, value: T) {
        *self.0.lock() = Some(Arc::new(value));
    }

    /// The latest value.
    pub fn get(&self) -> Option<Arc<T>> {
        self.0.lock().clone()
    }

    /// Forgets it.
    pub fn clear(&self) {
        *self.0.lock() = None;
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
