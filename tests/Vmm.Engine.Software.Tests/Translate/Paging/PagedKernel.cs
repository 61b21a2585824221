using Iced.Intel;
using Vmm.Engine.Software.Tests.Segmentation;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Translate.Paging;

/// <summary>
/// Handlers of a paged program. Each shows the whole state first. A page fault repairs the entry if that says how, and
/// goes back; everything else gives the call up that the main program is in.
/// </summary>
internal static class PagedKernel
{
    private const uint PageFault = ProtectedMachine.Handler;
    private const uint Others = ProtectedMachine.Handler + 0x800;

    public static void Write(ProtectedMachine machine)
    {
        for (int vector = 0; vector < 32; vector++)
        {
            machine.Gate(vector, offset: vector == 14 ? PageFault : Others);
        }

        machine.Gate(0x80, access: 0xEE, offset: Others);
        machine.Fill(PageFault, WritePageFault);
        machine.Fill(Others, a =>
        {
            a.wbinvd();
            GiveUp(a);
        });
        machine.Fill(PagedLayout.UserStub, a => a.@int(0x80));
    }

    private static void GiveUp(Assembler a)
    {
        a.cld();
        a.mov(rsp, __qword_ptr[PagedLayout.SavedStack]);
        a.jmp(__qword_ptr[PagedLayout.SavedReturn]);
    }

    private static void WritePageFault(Assembler a)
    {
        Label giveUp = a.CreateLabel();
        Label same = a.CreateLabel();
        Label store = a.CreateLabel();
        Label back = a.CreateLabel();
        a.wbinvd();
        a.push(rax);
        a.push(rbx);
        a.push(rcx);
        a.push(rdx);
        a.mov(rax, cr2);
        EntryOf(a, giveUp);
        a.mov(rcx, __qword_ptr[rbx]);
        a.mov(rdx, rcx);
        a.test(ecx, (int)PagedLayout.Actions);
        a.je(giveUp);
        a.or(rcx, 7);
        a.btr(rcx, 63);
        a.btr(rcx, 51);
        a.and(rcx, ~(int)PagedLayout.Actions);
        a.test(edx, (int)PagedLayout.RepairWithNeighbour);
        a.je(same);
        a.xor(rcx, 0x1000);
        a.Label(ref same);
        a.mov(__qword_ptr[rbx], rcx);
        a.test(ecx, 0x100);
        a.je(store);
        a.xor(rbx, (int)PagedLayout.OtherSpace);
        a.mov(__qword_ptr[rbx], rcx);
        a.Label(ref store);
        a.invlpg(__[rax]);
        a.test(edx, (int)PagedLayout.SwapCode);
        a.je(back);
        SwapCode(a, back);
        a.Label(ref back);
        a.pop(rdx);
        a.pop(rcx);
        a.pop(rbx);
        a.pop(rax);
        a.add(rsp, 8);
        a.iretq();
        a.Label(ref giveUp);
        GiveUp(a);
    }

    // The code that faulted goes on in its twin.
    private static void SwapCode(Assembler a, Label back)
    {
        a.mov(rax, __qword_ptr[rsp + 40]);
        EntryOf(a, back);
        a.mov(ecx, __dword_ptr[rbx]);
        a.test(ecx, 0x100);
        a.jne(back);
        a.xor(__dword_ptr[rbx], 0x1000);
        a.invlpg(__[rax]);
    }

    // RBX: the page-table entry of RAX, if that is in the window.
    private static void EntryOf(Assembler a, Label outside)
    {
        a.mov(rcx, rax);
        a.shr(rcx, 22);
        a.cmp(rcx, (int)(PagedLayout.Window >> 22));
        a.jne(outside);
        a.mov(rbx, cr3);
        a.shr(rbx, 12);
        a.shl(rbx, 12);
        a.mov(rcx, rax);
        a.shr(ecx, 12);
        a.and(ecx, 0x3FF);
        a.lea(rbx, __[rbx + rcx * 8 + (int)PagedLayout.WindowTable]);
    }
}
