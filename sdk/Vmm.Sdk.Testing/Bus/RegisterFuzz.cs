namespace Vmm.Sdk.Testing;

/// <summary>Random register accesses: a guest may do anything, and a device never throws at it.</summary>
public static class RegisterFuzz
{
    private static readonly AccessWidth[] Widths = [AccessWidth.Byte, AccessWidth.Word, AccessWidth.DoubleWord, AccessWidth.QuadWord];

    /// <summary>
    /// Accesses every claimed register of the board at random, in all widths, moves time in between, and runs posted
    /// work. Values are biased to those that registers react to (few bits, all bits).
    /// </summary>
    /// <param name="board">The board with its devices attached.</param>
    /// <param name="seed">Seed, so that a failure can be repeated.</param>
    /// <param name="accesses">Number of accesses.</param>
    /// <exception cref="DeviceThrewException">The device threw; the message names the access and the seed.</exception>
    public static void Run(FakeBoard board, int seed, int accesses)
    {
        ArgumentNullException.ThrowIfNull(board);
        var random = new Random(seed);
        for (var i = 0; i < accesses; i++)
        {
            var description = "time";
            try
            {
                var kinds = random.Next(16);
                if (kinds == 0)
                {
                    board.Clock.Advance(random.NextInt64(1L << random.Next(1, 24)));
                }
                else if (board.Ports.Regions.Count > 0 && (board.Mmio.Regions.Count == 0 || (kinds & 1) == 0))
                {
                    Touch(board.Ports, random, 3, out description);
                }
                else if (board.Mmio.Regions.Count > 0)
                {
                    Touch(board.Mmio, random, 4, out description);
                }

                board.RunPosted();
            }
            catch (Exception error) when (error is not DeviceThrewException)
            {
                throw new DeviceThrewException($"Access {i} ({description}), seed {seed}: {error.GetType().Name}: {error.Message}", error);
            }
        }
    }

    private static void Touch<T>(FakeRegionTable<T> table, Random random, int widths, out string description)
    {
        var region = table.Regions[random.Next(table.Regions.Count)];
        var address = region.Address + (ulong)random.NextInt64((long)Math.Min(region.Length, long.MaxValue));
        var width = Widths[random.Next(widths)];
        var read = random.Next(2) == 0;
        var value = random.Next(4) switch
        {
            0 => 0ul,
            1 => ulong.MaxValue,
            2 => 1ul << random.Next(64),
            _ => (ulong)random.NextInt64(long.MinValue, long.MaxValue),
        };
        description = $"{(read ? "read" : "write")} '{region.Name}' at 0x{address:x}, {width}, value 0x{value:x}";
        if (read)
        {
            table.Access(address, width);
        }
        else
        {
            table.Access(address, width, value);
        }
    }
}

/// <summary>A device threw at a guest.</summary>
/// <param name="message">The access that made it.</param>
/// <param name="inner">What it threw.</param>
public sealed class DeviceThrewException(string message, Exception inner) : Exception(message, inner);
