namespace Vmm.Sdk.Testing;

/// <summary>
/// The slot of a PCI function: base-address registers appear in the board's spaces where the test puts them.
/// </summary>
/// <param name="board">The board whose spaces and lines the slot uses.</param>
public sealed class FakePciSlot(FakeBoard board) : IPciSlot
{
    private readonly Dictionary<int, FakeBar> _bars = [];
    private readonly List<(byte Id, byte[] Body)> _capabilities = [];

    /// <inheritdoc/>
    public PciAddress Address { get; init; } = new(0, 3, 0);

    /// <inheritdoc/>
    public bool BusMasterEnabled { get; set; } = true;

    /// <summary>The INTx# pin, as the test sees it.</summary>
    public FakeLine Pin { get; } = new("INTA#");

    /// <summary>The message interrupts, or null when the device declared none.</summary>
    public FakeMessageInterrupts? MessageInterrupts { get; private set; }

    /// <summary>The declared base-address registers by index.</summary>
    public IReadOnlyDictionary<int, FakeBar> Bars => _bars;

    /// <summary>The declared capabilities.</summary>
    public IReadOnlyList<(byte Id, byte[] Body)> Capabilities => _capabilities;

    /// <inheritdoc/>
    public IInterruptLine InterruptPin => Pin;

    /// <inheritdoc/>
    public void DeclareMemoryBar(int index, ulong length, AccessWidths widths, IMmioDevice handler, bool is64Bit = true)
    {
        CheckBar(index, length, 16);
        _bars.Add(index, new FakeBar(length, is64Bit, address => board.Mmio.Claim($"bar{index}", address, length, widths, handler)));
    }

    /// <inheritdoc/>
    public void DeclarePortBar(int index, int length, AccessWidths widths, IPortDevice handler)
    {
        CheckBar(index, (ulong)length, 4);
        _bars.Add(index, new FakeBar((ulong)length, false, port => board.Ports.Claim($"bar{index}", checked((ushort)port), length, widths, handler)));
    }

    /// <inheritdoc/>
    public IMessageInterrupts DeclareMsiX(int barIndex, int vectors)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vectors, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(vectors, 2048);
        CheckBar(barIndex, 4096, 16);
        return MessageInterrupts = new FakeMessageInterrupts(vectors);
    }

    /// <inheritdoc/>
    public void DeclareCapability(byte capabilityId, ReadOnlySpan<byte> body) => _capabilities.Add((capabilityId, body.ToArray()));

    /// <summary>Puts a base-address register into the board's space, as firmware does.</summary>
    /// <param name="index">Index of a declared register.</param>
    /// <param name="address">The port or guest-physical address.</param>
    public IRegionClaim Map(int index, ulong address) => _bars[index].Map(address);

    private void CheckBar(int index, ulong length, ulong smallest)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index, 5);
        if (length < smallest || !ulong.IsPow2(length) || _bars.ContainsKey(index) || (_bars.TryGetValue(index - 1, out var below) && below.Is64Bit))
        {
            throw new ArgumentException($"Base-address register {index} with length {length} is not legal or already taken.");
        }
    }
}

/// <summary>A declared base-address register.</summary>
/// <param name="Length">Length in bytes.</param>
/// <param name="Is64Bit">Whether it takes 64-bit addresses.</param>
/// <param name="Map">Claims its region at an address.</param>
public sealed record FakeBar(ulong Length, bool Is64Bit, Func<ulong, IRegionClaim> Map);

/// <summary>Message interrupts of one function, counted by vector.</summary>
/// <param name="vectors">Number of vectors.</param>
public sealed class FakeMessageInterrupts(int vectors) : IMessageInterrupts
{
    private readonly int[] _signals = new int[vectors];

    /// <inheritdoc/>
    public bool Enabled { get; set; }

    /// <summary>Number of vectors.</summary>
    public int Vectors => _signals.Length;

    /// <summary>How often a vector was signalled.</summary>
    /// <param name="vector">The vector.</param>
    public int Signals(int vector) => Volatile.Read(ref _signals[vector]);

    /// <inheritdoc/>
    public void Signal(int vector) => Interlocked.Increment(ref _signals[vector]);
}
