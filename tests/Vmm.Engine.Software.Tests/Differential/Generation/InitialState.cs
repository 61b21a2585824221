using System.Runtime.InteropServices;
using Vmm.Engine.Software.Tests.Differential.Native;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>Fills a case with random state, before the instruction's own needs are met.</summary>
internal static unsafe class InitialState
{
    private const int ControlWord = 0;
    private const int StatusWord = 2;
    private const int Tags = 4;
    private const int Mxcsr = 24;
    private const int StackRegisters = 32;
    private const int VectorRegisters = 160;

    private const uint AllMasked = 0x1F80;
    private const uint MxcsrFlags = 0x3F;
    private const uint DenormalsAreZeros = 0x40;
    private const uint FlushToZero = 0x8000;

    private const ulong AlignmentCheck = 1 << 18;
    private const int CodeMargin = 32;

    // Bytes to start data pages from: cheap, and the same in every run.
    private static readonly byte[] Pool = CreatePool();

    public static void Fill(CaseSlot* slot, InstructionForm form, CaseRandom random)
    {
        ProcessorImage* image = &slot->Input;
        *image = default;
        for (int n = 0; n < 16; n++)
        {
            image->Gpr[n] = n >= 8 && form.Bitness != 64 ? 0 : random.Integer();
        }

        image->Gpr[4] = StackPointer(random);
        image->Rip = random.Chance(1)
            ? CaseLayout.Code + CaseLayout.PageSize - 1 - (ulong)random.Below(12)
            : CaseLayout.Code + CodeMargin + (ulong)random.Below(CaseLayout.PageSize - (2 * CodeMargin));
        image->Rflags = 0x202 | (random.Next() & 0x8D5) | (random.Chance(25) ? 0x400UL : 0) | (form.IsAlignmentDefined && random.Chance(2) ? AlignmentCheck : 0);
        image->CodeAddress = image->Rip;
        Segments(image, form.Bitness, random);
        if (form.Bitness != 64)
        {
            Truncate(image);
        }

        FloatingPoint(new Span<byte>(image->Fx, ProcessorImage.FxSize), new Span<byte>(image->UpperHalves, ProcessorImage.UpperHalvesSize), form, random);
        Pool.AsSpan(random.Below(Pool.Length - CaseLayout.DataSize), CaseLayout.DataSize)
            .CopyTo(new Span<byte>(slot->Memory, CaseLayout.DataSize));
    }

    private static void Segments(ProcessorImage* image, int bitness, CaseRandom random)
    {
        image->Cs = bitness switch { 64 => CaseLayout.Code64Selector, 32 => CaseLayout.Code32Selector, _ => CaseLayout.Code16Selector };
        image->Ss = bitness == 16 ? CaseLayout.Data16Selector : CaseLayout.DataSelector;
        image->Ds = bitness == 16 ? DataSelector(random) : CaseLayout.DataSelector;
        image->Es = bitness == 16 ? DataSelector(random) : CaseLayout.DataSelector;
        if (bitness == 64)
        {
            image->FsBase = SegmentBase(random);
            image->GsBase = SegmentBase(random);
        }
        else if (bitness == 16)
        {
            image->Fs = CaseLayout.Data16Selector;
            image->FsBase = CaseLayout.Data;
            image->Rip -= CaseLayout.Code;
            image->Gpr[4] = CaseLayout.UpperStackPointer | (ushort)(image->Gpr[4] - CaseLayout.Data);
        }
    }

    private static ushort DataSelector(CaseRandom random) => random.Below(16) switch
    {
        0 => 0,
        1 or 2 => CaseLayout.ReadOnlySelector,
        3 or 4 or 5 => CaseLayout.ExpandDownSelector,
        _ => CaseLayout.Data16Selector,
    };

    private static void Truncate(ProcessorImage* image)
    {
        for (int n = 0; n < 8; n++)
        {
            image->Gpr[n] = (uint)image->Gpr[n];
        }
    }

    private static ulong StackPointer(CaseRandom random)
    {
        ulong pointer = CaseLayout.Data + 0x400 + ((ulong)random.Below(0x180) * 8);
        return random.Below(32) switch
        {
            0 => pointer + (ulong)random.Below(8),
            1 => CaseLayout.Data + (ulong)random.Below(24),
            2 => CaseLayout.DataEnd - (ulong)random.Below(24),
            3 => CaseLayout.Data + CaseLayout.PageSize - 8 + (ulong)random.Below(16),
            _ => pointer,
        };
    }

    private static ulong SegmentBase(CaseRandom random) => random.Below(4) switch
    {
        0 => 0,
        1 => (ulong)((long)random.Next() >> 17),
        _ => (ulong)random.Below(0x1000_0000),
    };

    private static void FloatingPoint(Span<byte> fx, Span<byte> upperHalves, InstructionForm form, CaseRandom random)
    {
        uint control = 0x37F;
        if (random.Chance(50))
        {
            uint precision = random.Pick<uint>([0, 2, 3, 3]);
            control = (uint)random.Below(4) << 10 | precision << 8 | 0x40 | (random.Chance(70) ? 0x3F : (uint)random.Below(64));
        }

        // No exception is pending: its flags are masked.
        uint flags = (uint)random.Next() & control & 0x3F;
        uint status = ((uint)random.Next() & 0x4700) | (uint)random.Below(8) << 11 | flags | (random.Chance(20) && (flags & 1) != 0 ? 0x40u : 0);
        if (random.Chance(2))
        {
            status |= ~control & 0x3F;
            status |= (status & ~control & 0x3F) != 0 ? 0x8080u : 0;
        }

        BitConverter.TryWriteBytes(fx[ControlWord..], (ushort)control);
        BitConverter.TryWriteBytes(fx[StatusWord..], (ushort)status);
        fx[Tags] = random.Below(8) switch { 0 => 0, 1 or 2 => (byte)random.Next(), _ => 0xFF };
        BitConverter.TryWriteBytes(fx[Mxcsr..], RandomMxcsr(random));
        bool vectorOfMmx = form.Code.ToString().Contains("_mm", StringComparison.Ordinal);
        for (int n = 0; n < 8; n++)
        {
            LaneKinds.Fill(fx.Slice(StackRegisters + (n * 16), 10), vectorOfMmx ? LaneKind.Integer : LaneKind.Extended, random);
        }

        LaneKind kind = random.Chance(90) ? LaneKinds.Of(form.Info) : (LaneKind)random.Below(3);
        bool hasUpperHalves = HostProcessor.HasAvx && random.Chance(95);
        for (int n = 0; n < (form.Bitness == 64 ? 16 : 8); n++)
        {
            LaneKinds.Fill(fx.Slice(VectorRegisters + (n * 16), 16), kind, random);
            if (hasUpperHalves)
            {
                LaneKinds.Fill(upperHalves.Slice(n * 16, 16), kind, random);
            }
        }
    }

    private static uint RandomMxcsr(CaseRandom random)
    {
        if (random.Chance(60))
        {
            return AllMasked;
        }

        uint masks = random.Chance(60) ? AllMasked : (uint)random.Next() & AllMasked;
        return masks | ((uint)random.Next() & MxcsrFlags) | (uint)random.Below(4) << 13
            | (random.Chance(33) ? DenormalsAreZeros : 0) | (random.Chance(33) ? FlushToZero : 0);
    }

    private static byte[] CreatePool()
    {
        byte[] pool = new byte[8 * CaseLayout.DataSize];
        CaseRandom random = new(1);
        foreach (ref ulong word in MemoryMarshal.Cast<byte, ulong>(pool.AsSpan()))
        {
            word = random.Integer();
        }

        return pool;
    }
}
