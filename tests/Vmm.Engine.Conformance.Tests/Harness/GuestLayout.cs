using System.Runtime.InteropServices;
using Vmm.Sdk;
using Vmm.Vmx;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>Where things are in a guest's memory, and the state that it starts in.</summary>
internal static class GuestLayout
{
    public const ulong Code = 0x1_0000, Handler = 0x1_8000, Data = 0x2_0000, Idt = 0x3_0000, Gdt = 0x3_2000, Tss = 0x3_3000, Stack = 0x8000;
    public const ulong PageTables = 0x10_0000;

    /// <summary>Device memory: mapped by the guest's page tables, backed by nothing.</summary>
    public const ulong Device = 0x3000_0000;

    public const ushort CodeSelector = 8, DataSelector = 0x10, TssSelector = 0x18, Code16Selector = 0x20, Code32Selector = 0x28, Code64Selector = 0x30;

    private const uint Unusable = 0x1_0000;

    public static ProcessorState Start(GuestMode mode, VmxCapabilities capabilities)
    {
        bool real = mode == GuestMode.Real;
        var state = new ProcessorState
        {
            Rip = real ? 0 : Code,
            Cr0 = (ulong)(Cr0Bits.Ne | Cr0Bits.Et | (real ? 0 : Cr0Bits.Pe)),
            Cr4 = capabilities.Msrs[Msr.Ia32VmxCr4Fixed0],
            Gdtr = new DescriptorTableState(Gdt, 0xFF),
            Idtr = new DescriptorTableState(real ? 0 : Idt, (ushort)(real ? 0x3FF : 0xFFF)),
        };
        state.Registers.Rsp = Stack;
        state.DebugRegisters[6] = 0xFFFF_0FF0;
        state.DebugRegisters[7] = 0x400;
        uint code = mode switch { GuestMode.Long => 0xA09B, GuestMode.Protected => 0xC09B, _ => 0x9B };
        uint limit = real ? 0xFFFF : uint.MaxValue;
        state.Segments.AsSpan(0, 6).Fill(new SegmentState((ushort)(real ? 0 : DataSelector), 0, limit, real ? 0x93u : 0xC093));
        state.Segments[(int)SegmentRegister.Cs] = real
            ? new SegmentState((ushort)(Code >> 4), Code, limit, code)
            : new SegmentState(CodeSelector, 0, limit, code);
        state.Segments[(int)SegmentRegister.Ldtr] = new SegmentState(0, 0, 0, Unusable | 0x82);
        state.Segments[(int)SegmentRegister.Tr] = new SegmentState(TssSelector, Tss, 0x67, 0x8B);
        state.Msrs[Msr.Ia32Pat] = 0x0007_0406_0007_0406;
        state.Msrs[Msr.Ia32Efer] = 0;
        state.XsaveArea[0] = 0x7F; // FCW after FINIT, MXCSR after reset
        state.XsaveArea[1] = 0x03;
        state.XsaveArea[24] = 0x80;
        state.XsaveArea[25] = 0x1F;
        state.XsaveArea[512] = 3; // x87 and SSE are there
        if (mode == GuestMode.Long)
        {
            state.Cr0 |= (ulong)(Cr0Bits.Pg | Cr0Bits.Wp);
            state.Cr3 = PageTables;
            state.Cr4 |= (ulong)(Cr4Bits.Pae | Cr4Bits.Osfxsr);
            state.Msrs[Msr.Ia32Efer] = (ulong)(EferBits.Lme | EferBits.Lma | EferBits.Nxe | EferBits.Sce);
        }

        return state;
    }

    /// <summary>Descriptor tables, and four-level page tables that map the first GiB to itself.</summary>
    public static void Write(Span<byte> memory, GuestMode mode)
    {
        uint code = mode switch { GuestMode.Long => 0xA09B, GuestMode.Protected => 0xC09B, _ => 0x9B };
        Span<ulong> gdt = MemoryMarshal.Cast<byte, ulong>(memory[(int)Gdt..]);
        gdt[CodeSelector / 8] = Flat(code | 0x8000);
        gdt[DataSelector / 8] = Flat(0xC093);
        gdt[TssSelector / 8] = 0x0000_8B00_0000_0067 | (Tss << 16);
        gdt[Code16Selector / 8] = 0x0000_9B00_0000_FFFF | ((Code & 0xFF_FFFF) << 16);
        gdt[Code32Selector / 8] = Flat(0xC09B);
        gdt[Code64Selector / 8] = Flat(0xA09B);
        Span<ulong> tables = MemoryMarshal.Cast<byte, ulong>(memory[(int)PageTables..]);
        tables[0] = (PageTables + 0x1000) | 7;
        tables[512] = (PageTables + 0x2000) | 7;
        for (int n = 0; n < 512; n++)
        {
            tables[1024 + n] = ((ulong)n << 21) | 0x87;
        }
    }

    private static ulong Flat(uint rights) => 0x000F_0000_0000_FFFF | ((ulong)rights << 40);
}
