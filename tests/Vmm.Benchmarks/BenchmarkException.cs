namespace Vmm.Benchmarks;

/// <summary>A benchmark that cannot be run; the message says what to do.</summary>
internal sealed class BenchmarkException(string message) : Exception(message);
