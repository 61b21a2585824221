namespace Vmm.Vmx;

/// <summary>Exit qualification of I/O instructions (SDM Vol. 3C 28.2.1, table 28-5).</summary>
/// <param name="Value">The qualification.</param>
public readonly record struct IoQualification(ulong Value)
{
    /// <summary>Encodes the qualification of an IN, OUT, INS or OUTS.</summary>
    /// <param name="port">The port.</param>
    /// <param name="size">1, 2 or 4 bytes.</param>
    /// <param name="isIn">IN or INS.</param>
    /// <param name="isString">INS or OUTS.</param>
    /// <param name="isRep">With a REP prefix.</param>
    /// <param name="isImmediate">The port is an immediate operand, not DX.</param>
    public static IoQualification Create(ushort port, int size, bool isIn, bool isString = false, bool isRep = false, bool isImmediate = false)
        => new((ulong)(size - 1) & 7
            | (isIn ? 1ul << 3 : 0)
            | (isString ? 1ul << 4 : 0)
            | (isRep ? 1ul << 5 : 0)
            | (isImmediate ? 1ul << 6 : 0)
            | (ulong)port << 16);

    /// <summary>Size of the access in bytes: 1, 2 or 4.</summary>
    public int Size => (int)(Value & 7) + 1;

    /// <summary>IN or INS.</summary>
    public bool IsIn => (Value & 1 << 3) != 0;

    /// <summary>INS or OUTS.</summary>
    public bool IsString => (Value & 1 << 4) != 0;

    /// <summary>With a REP prefix.</summary>
    public bool IsRep => (Value & 1 << 5) != 0;

    /// <summary>The port is an immediate operand, not DX.</summary>
    public bool IsImmediate => (Value & 1 << 6) != 0;

    /// <summary>The port.</summary>
    public ushort Port => (ushort)(Value >> 16);

    public override string ToString()
        => $"{(IsRep ? "REP " : "")}{(IsIn, IsString) switch { (true, true) => "INS", (true, false) => "IN", (false, true) => "OUTS", _ => "OUT" }} port 0x{Port:X4}, {Size} byte{(Size == 1 ? "" : "s")}";
}
