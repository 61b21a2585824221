namespace Vmm.Benchmarks.Measure;

/// <summary>What several runs come to.</summary>
internal static class Statistics
{
    /// <summary>The middle value: a run that was disturbed does not move it.</summary>
    public static double Median(this IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /// <summary>The mean of ratios.</summary>
    public static double GeometricMean(this IReadOnlyCollection<double> values) => Math.Exp(values.Sum(Math.Log) / values.Count);
}
