using Iced.Intel;
using Vmm.Engine.Software.Tests.Differential.Native;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Differential;

public sealed unsafe class NativeProcessorTests
{
    private delegate void Check(ref CaseSlot slot);

    [NativeFact]
    public void An_addition_ends_at_the_next_instruction()
    {
        Run(a => a.add(rax, rbx), (ref slot) =>
        {
            slot.Input.Gpr[0] = ulong.MaxValue;
            slot.Input.Gpr[3] = 1;
        }, (ref slot) =>
        {
            Assert.Equal(3UL, slot.Native.Vector);
            Assert.Equal(CaseLayout.Code + 0x103 + 1, slot.Native.Rip);
            Assert.Equal(0UL, slot.Native.Gpr[0]);
            Assert.Equal(1UL, slot.Native.Gpr[3]);
            Assert.Equal(0x55UL, slot.Native.Rflags & 0x8D5);
            Assert.Equal(0x33UL, slot.Native.Cs);
        });
    }

    [NativeFact]
    public void A_store_beyond_the_data_reports_address_and_error_code()
    {
        Run(a => a.mov(__qword_ptr[rcx], rax), (ref slot) => slot.Input.Gpr[1] = CaseLayout.Data - 4, (ref slot) =>
        {
            Assert.Equal(14UL, slot.Native.Vector);
            Assert.Equal(6UL, slot.Native.ErrorCode);
            Assert.Equal(CaseLayout.Data - 4, slot.Native.Cr2);
            Assert.Equal(slot.Input.Rip, slot.Native.Rip);
        });
    }

    [NativeFact]
    public void Memory_and_vector_registers_come_back()
    {
        Run(a => a.movdqu(__[rcx], xmm3), (ref slot) =>
        {
            slot.Input.Gpr[1] = CaseLayout.Data + 0xFF8;
            slot.Input.Fx[160 + (3 * 16)] = 0x12;
            slot.Input.Fx[160 + (3 * 16) + 15] = 0x34;
            slot.Memory[0] = 0x56;
        }, (ref slot) =>
        {
            Assert.Equal(0x12, slot.NativeMemory[0xFF8]);
            Assert.Equal(0x34, slot.NativeMemory[0x1007]);
            Assert.Equal(0x56, slot.NativeMemory[0]);
            Assert.Equal(0x12, slot.Native.Fx[160 + (3 * 16)]);
        });
    }

    [NativeFact]
    public void Divide_errors_invalid_opcodes_and_general_protection_are_told_apart()
    {
        Run(a => a.div(rcx), (ref _) => { }, (ref slot) => Assert.Equal(0UL, slot.Native.Vector));
        Run(a => a.ud2(), (ref _) => { }, (ref slot) => Assert.Equal(6UL, slot.Native.Vector));
        Run(a => a.hlt(), (ref _) => { }, (ref slot) => Assert.Equal(13UL, slot.Native.Vector));
    }

    [NativeFact]
    public void Compatibility_mode_runs_too()
    {
        Run(a => a.db(0x60 /* PUSHA */), (ref slot) =>
        {
            slot.Input.Cs = CaseLayout.Code32Selector;
            slot.Input.Gpr[4] = CaseLayout.Data + 0x100;
            slot.Input.Gpr[7] = 0x1234;
        }, (ref slot) =>
        {
            Assert.Equal(3UL, slot.Native.Vector);
            Assert.Equal(CaseLayout.Data + 0xE0, slot.Native.Gpr[4]);
            Assert.Equal(0x34, slot.NativeMemory[0xE0]);
        });
    }

    private static void Run(Action<Assembler> code, Check prepare, Check check)
    {
        using NativeProcessor processor = new();
        using MemoryStream bytes = new();
        Assembler assembler = new(64);
        code(assembler);
        assembler.Assemble(new StreamCodeWriter(bytes), CaseLayout.Code + 0x100);
        ref CaseSlot slot = ref *processor.Slot(0);
        slot.Input.Rip = CaseLayout.Code + 0x100;
        slot.Input.Rflags = 0x202;
        slot.Input.CodeAddress = CaseLayout.Code + 0x100;
        slot.Input.Cs = CaseLayout.Code64Selector;
        slot.Input.Ds = CaseLayout.DataSelector;
        slot.Input.Es = CaseLayout.DataSelector;
        slot.Input.Ss = CaseLayout.DataSelector;
        slot.Input.CodeLength = (ulong)bytes.Length;
        for (int n = 0; n < bytes.Length; n++)
        {
            slot.Input.Code[n] = bytes.ToArray()[n];
        }

        slot.Input.Fx[0] = 0x7F;
        slot.Input.Fx[1] = 0x03;
        slot.Input.Fx[24] = 0x80;
        slot.Input.Fx[25] = 0x1F;
        prepare(ref slot);
        processor.Run(1);
        check(ref slot);
    }
}
