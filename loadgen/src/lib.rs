//! The load generator: workloads, open-loop schedules, histograms and their report.
