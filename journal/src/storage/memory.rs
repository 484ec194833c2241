//! stub
/// stub
#[derive(Debug)]
pub struct MemoryStorage;
/// stub
#[derive(Debug)]
pub struct CrashChoice;
