//! Buffers that go round: works on their way to the engine and back, and the output of connections.

use orderline_core::door::Work;
use orderline_protocol::frame::FRAME_HEADER_BYTES;
use orderline_protocol::limits::FRAME_PAYLOAD_BYTES_MAX;

/// Room of a work's input: the largest frame. Pages that no byte was ever read into cost no memory.
pub(crate) const INPUT_BYTES: usize = FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX;

/// Works and outputs kept for their next use; what a burst needed beyond that is given back.
const KEPT_MAX: usize = 1024;

/// Inputs kept. They are large, and few are in use at once: those inside the engine and those with half a frame.
const INPUTS_KEPT_MAX: usize = 256;

/// An output that large answers have grown beyond this is given back.
const OUTPUT_BYTES_KEPT: usize = 256 * 1024;

#[derive(Default)]
pub(crate) struct Pool {
    #[allow(clippy::vec_box)] // The door takes and returns them boxed.
    works: Vec<Box<Work>>,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
}

impl Pool {
    /// An empty work with room for the largest frame.
    pub(crate) fn work(&mut self) -> Box<Work> {
        let mut work = self.works.pop().unwrap_or_default();
        if work.input.capacity() < INPUT_BYTES {
            work.input = self.inputs.pop().unwrap_or_else(|| Vec::with_capacity(INPUT_BYTES));
        }
        work
    }

    /// Leaves a work only the room that its input needs: many of one connection may wait for the engine.
    pub(crate) fn shrink_input(&mut self, work: &mut Work) {
        if work.input.len() <= INPUT_BYTES / 4 {
            let input = work.input.as_slice().to_vec();
            self.reclaim_input(work);
            work.input = input;
        }
    }

    /// Takes the input out of a work that only waits for its release: it may wait long, and its room is large.
    pub(crate) fn reclaim_input(&mut self, work: &mut Work) {
        let mut input = std::mem::take(&mut work.input);
        if self.inputs.len() < INPUTS_KEPT_MAX && input.capacity() >= INPUT_BYTES {
            input.clear();
            self.inputs.push(input);
        }
    }

    /// Takes a work back.
    pub(crate) fn recycle(&mut self, mut work: Box<Work>) {
        if self.works.len() < KEPT_MAX && work.seal().len() <= OUTPUT_BYTES_KEPT {
            work.reset();
            self.works.push(work);
        }
    }

    /// An empty buffer for output.
    pub(crate) fn output(&mut self) -> Vec<u8> {
        self.outputs.pop().unwrap_or_default()
    }

    /// Takes an output back.
    pub(crate) fn recycle_output(&mut self, mut output: Vec<u8>) {
        if self.outputs.len() < KEPT_MAX && (1..=OUTPUT_BYTES_KEPT).contains(&output.capacity()) {
            output.clear();
            self.outputs.push(output);
        }
    }
}
