namespace Vmm.Benchmarks.Measure;

/// <summary>A table on standard output: names to the left, numbers to the right. Rows appear as they are added.</summary>
/// <param name="widths">Width of the first column, then of each other.</param>
internal sealed class Table(params int[] widths)
{
    /// <summary>Adds a row.</summary>
    public void Row(params IReadOnlyList<string> cells)
    {
        IEnumerable<string> padded = cells.Select((cell, column) => column == 0 ? cell.PadRight(widths[0]) : cell.PadLeft(widths[column]));
        Console.WriteLine(string.Concat(padded).TrimEnd());
    }
}
