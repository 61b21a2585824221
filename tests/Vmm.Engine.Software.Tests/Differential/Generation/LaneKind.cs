using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>What the lanes of vector registers should hold for an instruction to be interesting.</summary>
internal enum LaneKind
{
    Integer,
    Single,
    Double,
    Extended,
    Half,
}

internal static class LaneKinds
{
    public static LaneKind Of(OpCodeInfo info)
    {
        LaneKind byMemory = OfElement(info.MemorySize.GetElementType());
        if (byMemory != LaneKind.Integer && info.Mnemonic != Mnemonic.Vcvtps2ph)
        {
            return byMemory;
        }

        string name = info.Mnemonic.ToString();
        if (info.Mnemonic == Mnemonic.Vcvtps2ph)
        {
            return LaneKind.Single;
        }

        return name.EndsWith("ps", StringComparison.Ordinal) || name.EndsWith("ss", StringComparison.Ordinal) ? LaneKind.Single
            : name.EndsWith("pd", StringComparison.Ordinal) || name.EndsWith("sd", StringComparison.Ordinal) ? LaneKind.Double
            : LaneKind.Integer;
    }

    public static LaneKind OfElement(MemorySize element) => element switch
    {
        MemorySize.Float16 => LaneKind.Half,
        MemorySize.Float32 => LaneKind.Single,
        MemorySize.Float64 => LaneKind.Double,
        MemorySize.Float80 => LaneKind.Extended,
        _ => LaneKind.Integer,
    };

    /// <summary>Fills memory with values of a kind.</summary>
    public static void Fill(Span<byte> destination, LaneKind kind, CaseRandom random)
    {
        Span<byte> lane = stackalloc byte[16];
        while (destination.Length > 0)
        {
            int size = Write(lane, kind, random);
            int length = Math.Min(size, destination.Length);
            lane[..length].CopyTo(destination);
            destination = destination[length..];
        }
    }

    private static int Write(Span<byte> lane, LaneKind kind, CaseRandom random)
    {
        switch (kind)
        {
            case LaneKind.Half:
                BitConverter.TryWriteBytes(lane, random.Half());
                return 2;
            case LaneKind.Single:
                BitConverter.TryWriteBytes(lane, random.Single());
                return 4;
            case LaneKind.Double:
                BitConverter.TryWriteBytes(lane, random.Double());
                return 8;
            case LaneKind.Extended:
                (ushort exponent, ulong significand) = random.Extended();
                BitConverter.TryWriteBytes(lane, significand);
                BitConverter.TryWriteBytes(lane[8..], exponent);
                return 10;
            default:
                BitConverter.TryWriteBytes(lane, random.Integer());
                return 8;
        }
    }
}
