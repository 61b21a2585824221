using System.Runtime.InteropServices;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Tests.Harness;

/// <summary>The states in which test machines start.</summary>
internal static unsafe class InitialState
{
    private const uint Code = 0x9B;
    private const uint Data = 0x93;
    private const uint Big = 0x4000;
    private const uint Long = 0x2000;
    private const uint Granular = 0x8000;

    public static void Set(LogicalProcessor processor, int bitness, FlatMemory memory)
    {
        CpuState* s = processor.State;
        s->SystemFlags = 2;
        s->Gpr.Rsp = TestMachine.StackTop;
        s->Rip = bitness == 16 ? 0 : TestMachine.CodeAddress;
        s->Dr[6] = 0xFFFF_0FF0;
        s->Dr[7] = 0x400;
        s->Xcr0 = 3;
        s->FpuControl = 0x37F;
        s->FpuTagsEmpty = 0xFF;
        s->Mxcsr = 0x1F80;
        s->Pat = 0x0007_0406_0007_0406;
        s->Cr0 = (ulong)(Cr0Bits.Et | Cr0Bits.Ne | Cr0Bits.Mp);
        s->Cr4 = (ulong)(Cr4Bits.Osfxsr | Cr4Bits.Osxmmexcpt | Cr4Bits.Osxsave | Cr4Bits.Fsgsbase);
        switch (bitness)
        {
            case 64:
                Set64(s, memory);
                break;
            case 32:
                s->Cr0 |= (ulong)Cr0Bits.Pe;
                Segments(s, Code | Big | Granular, Data | Big | Granular, uint.MaxValue);
                break;
            default:
                Segments(s, Code, Data, 0xFFFF);
                s->Cs.Base = TestMachine.CodeAddress;
                s->Cs.Selector = (ushort)(TestMachine.CodeAddress >> 4);
                s->Ds.Base = TestMachine.DataAddress;
                s->Ds.Selector = (ushort)(TestMachine.DataAddress >> 4);
                s->Es.Base = TestMachine.DataAddress;
                s->Es.Selector = (ushort)(TestMachine.DataAddress >> 4);
                break;
        }

        processor.StateLoaded();
    }

    private static void Set64(CpuState* s, FlatMemory memory)
    {
        Span<ulong> tables = MemoryMarshal.Cast<byte, ulong>(memory.Bytes[(int)TestMachine.PageTables..]);
        tables[0] = TestMachine.PageTables + 0x1000 | 7;
        tables[512] = TestMachine.PageTables + 0x2000 | 7;
        for (int n = 0; n < 512; n++)
        {
            tables[1024 + n] = (ulong)n << 21 | 0x87;
        }

        s->Cr3 = TestMachine.PageTables;
        s->Cr4 |= (ulong)Cr4Bits.Pae;
        s->Cr0 |= (ulong)(Cr0Bits.Pe | Cr0Bits.Pg | Cr0Bits.Wp);
        s->Efer = (ulong)(EferBits.Lme | EferBits.Lma | EferBits.Nxe | EferBits.Sce);
        Segments(s, Code | Long | Granular, Data | Big | Granular, uint.MaxValue);
    }

    private static void Segments(CpuState* s, uint code, uint data, uint limit)
    {
        SegmentCache* segments = &s->Es;
        for (int n = 0; n < 6; n++)
        {
            segments[n] = new SegmentCache { Limit = limit, AccessRights = data, Selector = 0x10 };
        }

        s->Cs.AccessRights = code;
        s->Cs.Selector = 8;
        s->Ldtr.AccessRights = 0x1_0000;
        s->Tr = new SegmentCache { Limit = 0x67, AccessRights = 0x8B, Selector = 0x18 };
    }
}
